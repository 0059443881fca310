#include "kme/sae_registry.hpp"

namespace quoin {

namespace {

Status add(std::set<SaeId>& own, const std::set<SaeId>& others, SaeId sae) {
  QUOIN_TRY(check_sae_id(sae));
  if (others.contains(sae))
    return fail(ErrorCode::conflict, "SAE " + sae.name + " is named at both sites",
                "SAE IDs are unique in the whole network: rename one");
  if (own.size() >= SaeRegistry::saes_max)
    return fail(ErrorCode::too_large, "a site has at most 4096 SAEs");
  own.insert(std::move(sae));
  return success();
}

}  // namespace

Status SaeRegistry::add_local(SaeId sae) { return add(local_, remote_, std::move(sae)); }
Status SaeRegistry::add_remote(SaeId sae) { return add(remote_, local_, std::move(sae)); }
void SaeRegistry::deny(SaeId master, SaeId slave) {
  denied_.emplace(std::move(master), std::move(slave));
}

}  // namespace quoin
