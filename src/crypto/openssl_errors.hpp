// OpenSSL's error queue ends here: what it holds becomes one line of text. For src/crypto and
// src/adapters only.
#pragma once

#include <string>

namespace quoin {

// The reason of the oldest error of this thread, or "unknown reason"; empties the queue. Never
// holds key bytes: OpenSSL's reasons are fixed texts.
std::string take_openssl_error();

}  // namespace quoin
