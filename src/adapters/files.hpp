// Files with bounds, clear errors and durable replacement. Any thread; blocking.
#pragma once

#include <cstdint>
#include <string>

#include "core/bytes.hpp"

namespace quoin {

// Reads a whole file of at most `size_max` bytes. not_found, too_large, or io with the reason.
Result<Bytes> read_file(const std::string& path, std::size_t size_max);

// The same for keys. Refuses (configuration) a file that group or others may read or write, naming
// the cure: chmod 600.
Result<SecretBytes> read_secret_file(const std::string& path, std::size_t size_max);

enum class FileKind : std::uint8_t {
  ordinary,  // mode 0644 less the umask
  secret,    // mode 0600
};
enum class Existing : std::uint8_t { replace, refuse };

// A file that appears complete or not at all: bytes go to a file without a name in the same folder
// (0600), commit() makes them durable and gives it its name. Destroyed without commit(), or killed,
// it leaves nothing.
class AtomicFile {
 public:
  static Result<AtomicFile> create(std::string path, FileKind kind, Existing existing);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // exhausted when the disk is full, io otherwise.
  Status write(ByteSpan bytes);
  // conflict if the file exists meanwhile and Existing::refuse was asked for.
  Status commit();

 private:
  AtomicFile() = default;
  Status give_name();
  void discard();

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  FileKind kind_ = FileKind::ordinary;
  Existing existing_ = Existing::refuse;
};

// create + write + commit.
Status write_file_atomically(const std::string& path, ByteSpan bytes, FileKind kind,
                             Existing existing = Existing::replace);

// Reads a file front to back in pieces, for files of any size.
class FileReader {
 public:
  static Result<FileReader> open(const std::string& path);
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&& other) noexcept;
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  ~FileReader();

  // Up to out.size() bytes (fewer only at the end of the file); 0 at the end.
  Result<std::size_t> read(MutableByteSpan out);
  std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  FileReader() = default;

  std::string path_;
  int fd_ = -1;
  std::uint64_t size_bytes_ = 0;
};

// Overwrites a small secret file, then removes it; nothing happens where there is none. The device
// below may keep old copies all the same (flash, snapshots, journals).
void erase_file(const std::string& path);

// mkdir -p; new folders get mode 0700.
Status create_directories(const std::string& path);

}  // namespace quoin
