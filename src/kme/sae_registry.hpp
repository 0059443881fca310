// Which SAEs a KME knows and who may share key with whom. Filled by src/site from the
// configuration, read by src/kme.
#pragma once

#include <set>

#include "keystore/lease.hpp"

namespace quoin {

class SaeRegistry {
 public:
  static constexpr std::size_t saes_max = 4096;

  // invalid_argument for a bad name, conflict when the name stands at the other site already.
  Status add_local(SaeId sae);
  Status add_remote(SaeId sae);  // at the peer site
  // Every pair between the sites may share key, in both directions, unless it is denied here.
  void deny(SaeId master, SaeId slave);

  bool is_local(const SaeId& sae) const { return local_.contains(sae); }
  bool is_remote(const SaeId& sae) const { return remote_.contains(sae); }
  bool is_allowed(const SaeId& master, const SaeId& slave) const {
    return !denied_.contains({master, slave});
  }
  const std::set<SaeId>& local() const { return local_; }
  const std::set<SaeId>& remote() const { return remote_; }

 private:
  std::set<SaeId> local_;
  std::set<SaeId> remote_;
  std::set<std::pair<SaeId, SaeId>> denied_;
};

}  // namespace quoin
