#include "apps/key_commands.hpp"

#include <sys/statvfs.h>

#include <boost/json.hpp>
#include <filesystem>
#include <iostream>

#include "adapters/event_loop.hpp"
#include "adapters/files.hpp"
#include "adapters/gateway_pump.hpp"
#include "adapters/thread_pool.hpp"
#include "apps/exit_codes.hpp"
#include "consumers/sealed_file.hpp"
#include "crypto/random.hpp"
#include "delivery/base64.hpp"

namespace quoin {

namespace {

constexpr std::size_t piece_bytes = std::size_t{1} << 20;

// What `quoin key get|fetch` is asked for: keys on standard output, built in memory that is wiped.
// This is the one place where the program shows key.
void hand_over(const SecretBytes& text) {
  const ByteSpan bytes = text.expose_secret();
  std::cout.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
}

SecretBytes base64(const SecretBytes& key) {
  SecretBytes text = SecretBytes::zeroed(base64_size(key.size_bytes()));
  write_base64(key.expose_secret(), text.expose_secret_mutable());
  return text;
}

void print_keys(const std::vector<FetchedKey>& keys, bool as_json) {
  if (!as_json) {
    for (const FetchedKey& key : keys) {
      std::cout << to_text(key.id) << " ";
      hand_over(base64(key.key));
      std::cout << "\n";
    }
    return;
  }
  std::cout << "{\"keys\":[";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::cout << (i > 0 ? "," : "") << "{\"key_ID\":\"" << to_text(keys[i].id) << "\",\"key\":\"";
    hand_over(base64(keys[i].key));
    std::cout << "\"";
    // Parsed and written anew, so that what another server sent cannot break the line.
    boost::system::error_code code;
    if (const boost::json::value extension = boost::json::parse(keys[i].extension, code); !code)
      std::cout << ",\"key_extension\":" << boost::json::serialize(extension);
    std::cout << "}";
  }
  std::cout << "]}\n";
}

// Space for the output is looked for before a key is spent: a key that was fetched is gone from the
// key manager.
Status check_space(const std::string& path, std::uint64_t size_bytes) {
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  struct statvfs disk{};
  if (statvfs(folder.c_str(), &disk) != 0)
    return fail(ErrorCode::io, "cannot write to " + folder.string(),
                "choose another place with --output");
  const std::uint64_t available = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (available < size_bytes + (size_bytes >> 10) + 65536)
    return fail(ErrorCode::exhausted,
                "not enough disk space in " + folder.string() + ": " + std::to_string(size_bytes) +
                    " bytes are needed",
                "free some space or choose another place with --output; no key was used");
  return success();
}

Result<std::string> seal(const SaeAccess& access, const std::string& peer, const std::string& input,
                         const std::string& output) {
  QUOIN_TAKE(reader, FileReader::open(input));
  QUOIN_TRY(check_space(output, reader.size_bytes()));
  QUOIN_TAKE(file, AtomicFile::create(output, FileKind::ordinary, Existing::refuse));
  QUOIN_TAKE(client, SaeClient::connect(access));
  QUOIN_TAKE(keys,
             client.get(peer, KeyQuery{.number = 1, .size_bits = 256, .additional_slaves = {}}));
  if (keys.size() != 1)
    return fail(ErrorCode::malformed, "the key manager gave another number of keys than asked for");
  OpenSslPublicRandom random;
  const std::string id = to_text(keys[0].id);
  QUOIN_TAKE(writer, SealWriter::make(id, client.own_name(), peer, keys[0].key, random));
  Bytes piece(piece_bytes);
  while (true) {
    QUOIN_TAKE(size, reader.read(piece));
    if (size == 0) break;
    QUOIN_TAKE(sealed, writer.push(ByteSpan(piece).first(size)));
    QUOIN_TRY(file.write(sealed));
  }
  QUOIN_TAKE(last, writer.finish());
  QUOIN_TRY(file.write(last));
  QUOIN_TRY(file.commit());
  return id;
}

Result<ParsedSealedHeader> read_header(const std::string& input) {
  QUOIN_TAKE(reader, FileReader::open(input));
  Bytes start(sealed_header_bytes_max);
  QUOIN_TAKE(size, reader.read(start));
  QUOIN_TAKE(header, parse_sealed_header(ByteSpan(start).first(size)));
  if (!header.has_value())
    return fail(ErrorCode::malformed, input + " is too short to be a sealed file",
                "it may be truncated; copy it again");
  return *header;
}

// A fetched key is gone from the key manager. Until the file is open it is kept beside the
// application's private key, so that a damaged copy, a full disk or a signal does not make the
// undamaged file unreadable.
std::string kept_key_path(const SaeAccess& access, const KeyId& id) {
  return access.tls.key_file.substr(0, access.tls.key_file.rfind('/') + 1) + "kept-" + to_text(id) +
         ".key";
}

Result<SecretBytes> obtain_key(const SaeAccess& access, const SealedHeader& header,
                               const KeyId& id) {
  const std::string kept = kept_key_path(access, id);
  if (auto key = read_secret_file(kept, sealed_key_bytes);
      key && key->size_bytes() == sealed_key_bytes)
    return key;
  QUOIN_TAKE(client, SaeClient::connect(access));
  QUOIN_TAKE(keys, client.fetch(header.master_sae, std::span(&id, 1)));
  if (keys.size() != 1)
    return fail(ErrorCode::malformed, "the key manager gave another number of keys than asked for");
  QUOIN_TRY(write_file_atomically(kept, keys[0].key.expose_secret(), FileKind::secret,
                                  Existing::replace));
  return std::move(keys[0].key);
}

Result<std::string> open_sealed(const SaeAccess& access, const std::string& input,
                                const std::string& output) {
  QUOIN_TAKE(header, read_header(input));
  QUOIN_TAKE(reader, FileReader::open(input));
  QUOIN_TRY(check_space(output, reader.size_bytes()));
  QUOIN_TAKE(file, AtomicFile::create(output, FileKind::secret, Existing::refuse));
  const auto id = parse_key_id(header.header.key_id);
  if (!id)
    return fail(ErrorCode::malformed, "the header of " + input + " is damaged: it names no key",
                "fetch the file again; no key was used");
  QUOIN_TAKE(key, obtain_key(access, header.header, *id));
  QUOIN_TAKE(opener, OpenReader::make(header.header, key));
  Bytes piece(piece_bytes);
  QUOIN_TAKE(skipped, reader.read(MutableByteSpan(piece).first(header.size_bytes)));
  if (skipped != header.size_bytes)
    return fail(ErrorCode::io, input + " changed while it was read");
  while (true) {
    QUOIN_TAKE(size, reader.read(piece));
    if (size == 0) break;
    QUOIN_TAKE(plain, opener.push(ByteSpan(piece).first(size)));
    QUOIN_TRY(file.write(plain));
  }
  QUOIN_TAKE(last, opener.finish());
  QUOIN_TRY(file.write(last));
  QUOIN_TRY(file.commit());
  erase_file(kept_key_path(access, *id));
  return to_text(*id);
}

int print_file_result(const Result<std::string>& key_id, const std::string& output, bool as_json) {
  if (!key_id) return report_failure(key_id.error());
  if (as_json) {
    std::cout << boost::json::serialize(
                     boost::json::object{{"output", output}, {"key_ID", *key_id}})
              << "\n";
  } else {
    std::cout << output << " (key " << *key_id << ")\n";
  }
  return exit_ok;
}

}  // namespace

int report_failure(const Error& error) {
  std::cerr << "quoin: " << error.text() << std::endl;
  switch (error.code) {
    case ErrorCode::configuration:
    case ErrorCode::invalid_argument:
    case ErrorCode::malformed:
    case ErrorCode::unauthenticated:
    case ErrorCode::unauthorised:
    case ErrorCode::conflict:
    case ErrorCode::not_found: return exit_operator;
    case ErrorCode::no_key: return exit_no_key;
    default: return exit_failure;
  }
}

int run_key_status(const SaeAccess& access, const std::string& peer, bool as_json) {
  auto client = SaeClient::connect(access);
  if (!client) return report_failure(client.error());
  const auto status = client->status(peer);
  if (!status) return report_failure(status.error());
  if (as_json) {
    std::cout << boost::json::serialize(
                     boost::json::object{{"source_KME_ID", status->source_kme_id},
                                         {"target_KME_ID", status->target_kme_id},
                                         {"master_SAE_ID", status->master.name},
                                         {"slave_SAE_ID", status->slave.name},
                                         {"key_size", status->key_bits_default},
                                         {"stored_key_count", status->stored_key_count},
                                         {"max_key_per_request", status->keys_per_request_max}})
              << "\n";
  } else {
    std::cout << status->stored_key_count << " keys of " << status->key_bits_default << " bits for "
              << status->master.name << " -> " << status->slave.name << " ("
              << status->source_kme_id << " -> " << status->target_kme_id << ")\n";
  }
  return exit_ok;
}

int run_key_get(const SaeAccess& access, const std::string& peer, std::uint32_t number,
                std::optional<std::uint32_t> size_bits, bool as_json) {
  auto client = SaeClient::connect(access);
  if (!client) return report_failure(client.error());
  const auto keys = client->get(
      peer, KeyQuery{.number = number, .size_bits = size_bits, .additional_slaves = {}});
  if (!keys) return report_failure(keys.error());
  print_keys(*keys, as_json);
  return exit_ok;
}

int run_key_fetch(const SaeAccess& access, const std::string& master,
                  const std::vector<std::string>& ids, bool as_json) {
  std::vector<KeyId> parsed;
  for (const std::string& text : ids) {
    const auto id = parse_key_id(text);
    if (!id)
      return report_failure(Error{ErrorCode::invalid_argument, "'" + text + "' is no key_ID",
                                  "copy it from what 'quoin key get' printed"});
    parsed.push_back(*id);
  }
  auto client = SaeClient::connect(access);
  if (!client) return report_failure(client.error());
  const auto keys = client->fetch(master, parsed);
  if (!keys) return report_failure(keys.error());
  print_keys(*keys, as_json);
  return exit_ok;
}

int run_seal(const SaeAccess& access, const std::string& peer, const std::string& input,
             std::string output, bool as_json) {
  if (output.empty()) output = input + ".quoin";
  return print_file_result(seal(access, peer, input, output), output, as_json);
}

int run_open(const SaeAccess& access, const std::string& input, std::string output, bool as_json) {
  constexpr std::string_view suffix = ".quoin";
  if (output.empty()) {
    if (!input.ends_with(suffix))
      return report_failure(Error{ErrorCode::invalid_argument,
                                  "where should " + input + " be opened to?",
                                  "name it with --output"});
    output = input.substr(0, input.size() - suffix.size());
  }
  return print_file_result(open_sealed(access, input, output), output, as_json);
}

int run_gateway(const GatewayOptions& options) {
  auto probe = SaeClient::connect(options.access);
  if (!probe) return report_failure(probe.error());
  const GatewaySection& section = options.section;
  EventLoop loop;
  OpenSslPublicRandom random;
  GatewayPumpConfig config;
  config.side = section.is_entry ? GatewaySide::entry : GatewaySide::exit;
  config.listen_host = section.listen.host;
  config.listen_port = section.listen.port;
  config.forward_host = section.forward.host;
  config.forward_port = section.forward.port;
  config.terms.master_sae = section.is_entry ? probe->own_name() : section.peer_sae;
  config.terms.slave_sae = section.is_entry ? section.peer_sae : probe->own_name();
  config.terms.rekey_bytes = section.rekey_megabytes << 20;
  config.terms.rekey_ns = section.rekey_seconds * ns_per_s;
  const auto obtain = [&](const std::string& key_id) -> Result<TunnelKey> {
    QUOIN_TAKE(client, SaeClient::connect(options.access));
    std::vector<KeyId> ids;
    if (!key_id.empty()) {
      QUOIN_TAKE(id, parse_key_id(key_id));
      ids.push_back(id);
    }
    auto keys = ids.empty()
                    ? client.get(section.peer_sae,
                                 KeyQuery{.number = 1, .size_bits = 256, .additional_slaves = {}})
                    : client.fetch(section.peer_sae, ids);
    if (!keys) return keys.failure();
    if (keys->size() != 1)
      return fail(ErrorCode::malformed,
                  "the key manager gave another number of keys than asked for");
    return TunnelKey{to_text(keys->front().id), std::move(keys->front().key)};
  };
  ThreadPool requests(loop, 2);  // after what its jobs use
  auto pump = GatewayPump::start(
      loop, std::move(config), random, [&](const std::string& key_id, GatewayKeyDone done) {
        auto key = std::make_shared<std::optional<Result<TunnelKey>>>();
        requests.submit([&obtain, key, key_id] { key->emplace(obtain(key_id)); },
                        [key, done = std::move(done)]() mutable { done(std::move(**key)); });
      });
  if (!pump) return report_failure(pump.error());
  (*pump)->on_failed(
      [](const Error& error) { std::cerr << "quoin gateway: " << error.text() << std::endl; });
  std::cout << "gateway: port " << (*pump)->port() << " leads to " << to_text(section.forward)
            << std::endl;
  loop.on_stop_signals([&](int) { loop.stop(); });
  loop.run();
  const GatewayCounters& counters = (*pump)->counters();
  std::cout << "gateway: " << counters.connections << " connections, " << counters.bytes_from_users
            << " bytes in, " << counters.bytes_to_users << " bytes out, " << counters.keys_used
            << " keys" << std::endl;
  return exit_ok;
}

}  // namespace quoin
