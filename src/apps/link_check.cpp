// `quoin link check`: are the ports open, do the certificates fit, how far is it, do clocks and
// versions agree?
#include <cmath>
#include <cstdio>
#include <iostream>

#include "adapters/event_loop.hpp"
#include "adapters/stream_link.hpp"
#include "adapters/system_clock.hpp"
#include "apps/exit_codes.hpp"
#include "apps/key_commands.hpp"
#include "apps/setup_commands.hpp"
#include "apps/status_file.hpp"
#include "link/messages.hpp"

namespace quoin {

namespace {

constexpr std::string_view check_mark = "QCHK";
constexpr std::int64_t clock_warn_ms = 60'000;
constexpr int rounds = 10;

enum class Probe : std::uint8_t { ping = 1, pong = 2, done = 3 };

struct Check {
  explicit Check(const SiteFile& site) : file(site) {}

  const SiteFile& file;
  EventLoop loop;
  SystemClock clock;
  std::unique_ptr<StreamLink> link;
  std::optional<Error> last_failure;
  Instant sent;
  std::vector<double> round_trip_ms;
  std::int64_t clock_offset_ms = 0;
  int exit_code = exit_failure;
  bool got_answer = false;

  void send(Probe kind) {
    ByteWriter out;
    out.fixed(as_bytes(check_mark))
        .u8(static_cast<std::uint8_t>(kind))
        .u64(static_cast<std::uint64_t>(clock.wall_unix_ms()));
    sent = clock.now();
    if (const Status status = link->send(out.bytes()); !status) last_failure = status.error();
  }

  void conclude(int code) {
    exit_code = code;
    loop.run_after_ms(200, [this] { loop.stop(); });  // let the last frame leave
  }

  void on_frame(ByteSpan frame) {
    ByteReader in(frame);
    if (to_text(in.fixed(check_mark.size())) != check_mark) {
      // A node begins with its hello: it is up and accepts us.
      got_answer = true;
      std::cout << "ok    a node of '" << file.policy.peer_site
                << "' is running and accepts this site\n";
      exit_code = exit_ok;
      return loop.stop();  // nothing more to say to a node
    }
    const auto kind = static_cast<Probe>(in.u8());
    const auto peer_ms = static_cast<std::int64_t>(in.u64());
    if (kind == Probe::ping) return send(Probe::pong);
    if (kind == Probe::done) {
      got_answer = true;
      std::cout << "ok    the peer has checked this side\n";
      return conclude(exit_ok);
    }
    round_trip_ms.push_back(static_cast<double>(clock.now().ns - sent.ns) * 1e-6);
    clock_offset_ms = peer_ms - clock.wall_unix_ms();
    if (round_trip_ms.size() < rounds) return send(Probe::ping);
    report();
    send(Probe::done);
    conclude(exit_ok);
  }

  void report() {
    got_answer = true;
    std::sort(round_trip_ms.begin(), round_trip_ms.end());
    std::printf("ok    round trip %.2f ms (median of %d)\n",
                round_trip_ms[round_trip_ms.size() / 2], rounds);
    if (std::abs(clock_offset_ms) > clock_warn_ms) {
      std::printf(
          "WARN  the clocks differ by %.1f s; certificates are judged by the clock: set it\n",
          static_cast<double>(clock_offset_ms) / 1000);
    } else {
      std::printf("ok    clocks agree within %.1f s\n",
                  std::max(0.1, std::abs(static_cast<double>(clock_offset_ms)) / 1000));
    }
    const std::string& version = link->peer_software_version();
    if (version == QUOIN_VERSION) {
      std::printf("ok    both sites run quoin %s\n", QUOIN_VERSION);
    } else {
      std::printf("WARN  this site runs quoin %s, the peer %s\n", QUOIN_VERSION, version.c_str());
    }
    std::fflush(stdout);
  }
};

Status start(Check& check) {
  const SiteFile& file = check.file;
  QUOIN_TRY(check_is_paired(file));
  const TlsSide side = file.listens ? TlsSide::server : TlsSide::client;
  QUOIN_TAKE(context,
             TlsContext::make(TlsPurpose::link, side, file.link_tls, check.clock.wall_unix_ms()));
  StreamLinkConfig config;
  config.role = file.listens ? ConnectionRole::responder : ConnectionRole::initiator;
  config.host = file.link_address.host;
  config.port = file.link_address.port;
  config.peer_site = file.policy.peer_site;
  config.exporter_context = to_bytes("link check");
  config.software_version = QUOIN_VERSION;
  StreamLinkCallbacks callbacks;
  callbacks.on_up = [&check](TransportFacts facts) {
    std::cout << "ok    '" << facts.peer_name << "' is there, key exchange " << facts.key_exchange
              << std::endl;
    if (!check.file.listens) check.send(Probe::ping);
  };
  callbacks.on_frame = [&check](ByteSpan frame) { check.on_frame(frame); };
  callbacks.on_down = [&check](const Error& error) { check.last_failure = error; };
  callbacks.on_attempt_failed = [&check](const Error& error) {
    if (!check.last_failure.has_value() || check.last_failure->message != error.message)
      std::cout << "...   " << error.text() << std::endl;
    check.last_failure = error;
  };
  QUOIN_TAKE(link, StreamLink::start(check.loop, std::move(context), std::move(config),
                                     std::move(callbacks)));
  check.link = std::move(link);
  return success();
}

}  // namespace

int run_link_check(const SiteFile& file, std::uint32_t wait_s) {
  if (is_link_running(file)) {
    // Another connection would take the place of the node's.
    std::cout << "ok    the node of this site is running, and its link to '"
              << file.policy.peer_site << "' is up; 'quoin status' says more\n";
    return exit_ok;
  }
  Check check(file);
  if (const Status started = start(check); !started) return report_failure(started.error());
  std::cout << (file.listens ? "waiting at " : "connecting to ") << to_text(file.link_address)
            << " for '" << file.policy.peer_site << "' (run 'quoin link check' there as well)"
            << std::endl;
  check.loop.run_after_ms(static_cast<std::int64_t>(wait_s) * 1000, [&check] {
    if (!check.got_answer) check.loop.stop();
  });
  check.loop.on_stop_signals([&check](int) { check.loop.stop(); });
  check.loop.run();
  if (!check.got_answer) {
    std::cerr << "quoin: no answer within " << wait_s << " s"
              << (check.last_failure.has_value() ? ": " + check.last_failure->text()
                                                 : std::string())
              << std::endl;
    return exit_failure;
  }
  return check.exit_code;
}

}  // namespace quoin
