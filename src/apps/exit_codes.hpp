// Exit statuses of every subcommand; `quoin --help` prints them.
#pragma once

namespace quoin {

constexpr int exit_ok = 0;
constexpr int exit_failure = 1;  // something went wrong while it ran
constexpr int exit_operator =
    2;  // wrong usage, configuration, certificate or file: a person has to correct it
constexpr int exit_no_key = 3;  // the physics or the proof gives no key: attack noticed, or too far

}  // namespace quoin
