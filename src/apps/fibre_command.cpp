#include "apps/fibre_command.hpp"

#include <iostream>

#include "adapters/event_loop.hpp"
#include "adapters/fibre_client.hpp"
#include "adapters/fibre_server.hpp"
#include "apps/exit_codes.hpp"
#include "apps/key_commands.hpp"
#include "crypto/random.hpp"
#include "quantum/fibre_service.hpp"
#include "quantum/link_model.hpp"
#include "quantum/simulator.hpp"

namespace quoin {

namespace {

Result<std::shared_ptr<const Eve>> make_eve(const std::string& attack, double strength) {
  if (attack == "intercept-resend") return InterceptResend::make(strength);
  return fail(ErrorCode::invalid_argument, "there is no attack '" + attack + "'",
              "choose intercept-resend");
}

std::uint64_t draw_seed() {
  OpenSslPublicRandom random;
  std::array<std::byte, 8> draw{};
  random.fill(draw);
  ByteReader reader(draw);
  return reader.u64();
}

}  // namespace

int run_fibre(const FibreOptions& options) {
  auto link = SimulatedLink::make(options.physics, options.seed.value_or(draw_seed()));
  if (!link) return report_failure(link.error());
  if (!options.attack.empty()) {
    auto eve = make_eve(options.attack, options.strength);
    if (!eve) return report_failure(eve.error());
    if (const auto from = (*link)->set_eve(*eve, 0); !from) return report_failure(from.error());
  }
  FibreStation station(**link, options.pace);
  auto server = FibreServer::start(options.listen.host, options.listen.port,
                                   serve_with<FibreService>(station));
  if (!server) return report_failure(server.error());
  std::cout << "fibre: " << options.physics.distance_km << " km, "
            << options.physics.slot_rate_hz / 1e6 << " MHz, port " << (*server)->port()
            << (options.attack.empty() ? "" : ", Eve: " + options.attack) << std::endl;
  EventLoop loop;
  loop.on_stop_signals([&loop](int) { loop.stop(); });
  loop.run();
  return exit_ok;
}

int run_attack(const HostPort& fibre, const std::string& attack, double strength) {
  if (attack != "none" && attack != "intercept-resend")
    return report_failure(Error{ErrorCode::invalid_argument, "there is no attack '" + attack + "'",
                                "choose intercept-resend or none"});
  auto control = FibreControl::connect(FibreClientConfig{.host = fibre.host, .port = fibre.port});
  if (!control) return report_failure(control.error());
  const auto from = (*control)->set_eve(
      SetEveRequest{.kind = attack == "none" ? EveKind::none : EveKind::intercept_resend,
                    .fraction = strength,
                    .from_slot = 0});
  if (!from) return report_failure(from.error());
  std::cout << (attack == "none" ? "Eve leaves" : "Eve is in the fibre: " + attack) << " from slot "
            << *from << " on\n";
  return exit_ok;
}

}  // namespace quoin
