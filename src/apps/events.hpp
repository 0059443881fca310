// Link events as a line for people and as a JSON line for programs.
#pragma once

#include <string>

#include "link/effects.hpp"

namespace quoin {

// One line, no newline; empty for events that people need not see.
std::string event_line(const LinkEvent& event);
// One JSON object on one line.
std::string event_json(const LinkEvent& event);
// 1234567 -> "1.23 Mb"; 0.00713 -> "0.71 %"
std::string bits_text(double bits);
std::string percent_text(double fraction);
std::string block_text(BlockId block);

}  // namespace quoin
