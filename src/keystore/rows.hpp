// Walking a whole table of the Store in bounded steps. For src/keystore.
#pragma once

#include "core/ports.hpp"

namespace quoin {

constexpr std::size_t rows_per_step = 256;

// Calls visit(row) -> Status for every row, ascending; stops at the first failure.
template <class Visit>
Status for_each_row(const Store& store, Table table, Visit&& visit) {
  Bytes first;
  for (;;) {
    QUOIN_TAKE(rows, store.scan(table, first, rows_per_step));
    for (const StoreRow& row : rows) QUOIN_TRY(visit(row));
    if (rows.size() < rows_per_step) return success();
    first = rows.back().key;
    first.push_back(std::byte{0});  // the least key above the last one
  }
}

}  // namespace quoin
