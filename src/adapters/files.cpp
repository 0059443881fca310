#include "adapters/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace quoin {

namespace {

Failure system_failure(const std::string& what, int error) {
  const std::string message = what + ": " + std::strerror(error);
  switch (error) {
    case ENOENT: return fail(ErrorCode::not_found, message, "check the path");
    case EACCES:
    case EPERM: return fail(ErrorCode::io, message, "check owner and mode of the file and folder");
    case ENOSPC:
    case EDQUOT: return fail(ErrorCode::exhausted, message, "free some space on that disk");
    case EROFS: return fail(ErrorCode::io, message, "choose a folder that can be written");
    default: return fail(ErrorCode::io, message);
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Reads until `out` is full or the file ends.
Result<std::size_t> read_fully(int fd, MutableByteSpan out, const std::string& path) {
  std::size_t have = 0;
  while (have < out.size()) {
    const ssize_t got = ::read(fd, out.data() + have, out.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure("cannot read " + path, errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

struct OpenedFile {
  int fd = -1;
  std::uint64_t size_bytes = 0;
  mode_t mode = 0;
};

Result<OpenedFile> open_regular(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return system_failure("cannot open " + path, errno);
  struct stat facts{};
  const bool is_known = ::fstat(fd, &facts) == 0;
  if (!is_known || !S_ISREG(facts.st_mode)) {
    ::close(fd);
    return fail(ErrorCode::io, path + " is not a regular file", "name a file");
  }
  return OpenedFile{fd, static_cast<std::uint64_t>(facts.st_size), facts.st_mode};
}

Status check_size(const std::string& path, std::uint64_t size, std::size_t size_max) {
  if (size <= size_max) return success();
  return fail(ErrorCode::too_large, path + " has " + std::to_string(size) + " bytes; at most " +
                                        std::to_string(size_max) + " are expected");
}

std::string folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

Status sync_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0)
    return system_failure("cannot make the change in " + folder + " durable", errno);
  return success();
}

}  // namespace

Result<Bytes> read_file(const std::string& path, std::size_t size_max) {
  QUOIN_TAKE(opened, open_regular(path));
  const Descriptor fd(opened.fd);
  QUOIN_TRY(check_size(path, opened.size_bytes, size_max));
  // One byte more than the bound: the file may have grown since.
  Bytes bytes(static_cast<std::size_t>(opened.size_bytes) + 1);
  QUOIN_TAKE(size, read_fully(fd.get(), bytes, path));
  QUOIN_TRY(check_size(path, size, size_max));
  bytes.resize(size);
  return bytes;
}

Result<SecretBytes> read_secret_file(const std::string& path, std::size_t size_max) {
  QUOIN_TAKE(opened, open_regular(path));
  const Descriptor fd(opened.fd);
  if ((opened.mode & (S_IRWXG | S_IRWXO)) != 0)
    return fail(ErrorCode::configuration, path + " holds a secret, but others may use it",
                "chmod 600 " + path);
  QUOIN_TRY(check_size(path, opened.size_bytes, size_max));
  SecretBytes buffer = SecretBytes::zeroed(static_cast<std::size_t>(opened.size_bytes));
  QUOIN_TAKE(size, read_fully(fd.get(), buffer.expose_secret_mutable(), path));
  if (size != buffer.size_bytes())
    return fail(ErrorCode::io, path + " changed while it was read", "try again");
  return buffer;
}

Result<AtomicFile> AtomicFile::create(std::string path, FileKind kind, Existing existing) {
  if (existing == Existing::refuse && ::access(path.c_str(), F_OK) == 0)
    return fail(ErrorCode::conflict, path + " exists", "choose another name or remove it");
  AtomicFile file;
  file.path_ = std::move(path);
  file.kind_ = kind;
  file.existing_ = existing;
  // A file without a name goes with the process, however that ends; where the file system has no
  // such thing, a temporary name stands beside the final one.
  file.fd_ = ::open(folder_of(file.path_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file.fd_ >= 0) return file;
  file.temporary_ = file.path_ + ".part-XXXXXX";
  file.fd_ = ::mkostemp(file.temporary_.data(), O_CLOEXEC);  // mode 0600
  if (file.fd_ < 0) {
    file.temporary_.clear();
    return system_failure("cannot create a file beside " + file.path_, errno);
  }
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      kind_(other.kind_),
      existing_(other.existing_) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this != &other) {
    discard();
    path_ = std::move(other.path_);
    temporary_ = std::exchange(other.temporary_, {});
    fd_ = std::exchange(other.fd_, -1);
    kind_ = other.kind_;
    existing_ = other.existing_;
  }
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

Status AtomicFile::write(ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_failure("cannot write " + path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return success();
}

// Existing::refuse: the final name. Otherwise a temporary one, which commit() renames.
Status AtomicFile::give_name() {
  const std::string source = "/proc/self/fd/" + std::to_string(fd_);
  if (existing_ == Existing::refuse) {
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) == 0)
      return success();
    if (errno == EEXIST)
      return fail(ErrorCode::conflict, path_ + " exists", "choose another name or remove it");
    return system_failure("cannot create " + path_, errno);
  }
  const std::string name = path_ + ".part-" + std::to_string(::getpid());
  ::unlink(name.c_str());
  if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
    return system_failure("cannot create " + name, errno);
  temporary_ = name;
  return success();
}

Status AtomicFile::commit() {
  QUOIN_INVARIANT(fd_ >= 0, "commit() of a file that is closed");
  if (kind_ == FileKind::ordinary) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(fd_, 0644 & ~mask) != 0)
      return system_failure("cannot set the mode of " + path_, errno);
  }
  if (::fsync(fd_) != 0) return system_failure("cannot make " + path_ + " durable", errno);
  if (temporary_.empty()) QUOIN_TRY(give_name());
  if (::close(std::exchange(fd_, -1)) != 0) return system_failure("cannot close " + path_, errno);
  if (temporary_.empty()) return sync_folder(path_);
  // link() fails where rename() would silently replace.
  if (existing_ == Existing::refuse) {
    if (::link(temporary_.c_str(), path_.c_str()) != 0) {
      if (errno == EEXIST)
        return fail(ErrorCode::conflict, path_ + " exists", "choose another name or remove it");
      return system_failure("cannot create " + path_, errno);
    }
    ::unlink(temporary_.c_str());
  } else if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return system_failure("cannot replace " + path_, errno);
  }
  temporary_.clear();
  return sync_folder(path_);
}

Status write_file_atomically(const std::string& path, ByteSpan bytes, FileKind kind,
                             Existing existing) {
  QUOIN_TAKE(file, AtomicFile::create(path, kind, existing));
  QUOIN_TRY(file.write(bytes));
  return file.commit();
}

Result<FileReader> FileReader::open(const std::string& path) {
  QUOIN_TAKE(opened, open_regular(path));
  FileReader reader;
  reader.path_ = path;
  reader.fd_ = opened.fd;
  reader.size_bytes_ = opened.size_bytes;
  return reader;
}

FileReader::FileReader(FileReader&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      size_bytes_(other.size_bytes_) {}

FileReader& FileReader::operator=(FileReader&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    path_ = std::move(other.path_);
    fd_ = std::exchange(other.fd_, -1);
    size_bytes_ = other.size_bytes_;
  }
  return *this;
}

FileReader::~FileReader() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> FileReader::read(MutableByteSpan out) { return read_fully(fd_, out, path_); }

void erase_file(const std::string& path) {
  const Descriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd.get() < 0) return;
  struct stat facts{};
  if (::fstat(fd.get(), &facts) == 0 && S_ISREG(facts.st_mode)) {
    const Bytes zeros(4096);
    for (off_t at = 0; at < facts.st_size; at += static_cast<off_t>(zeros.size()))
      if (::pwrite(fd.get(), zeros.data(), zeros.size(), at) <= 0) break;
    ::fsync(fd.get());
  }
  ::unlink(path.c_str());
}

Status create_directories(const std::string& path) {
  std::string built;
  for (std::size_t at = 0; at != std::string::npos;) {
    at = path.find('/', at + 1);
    built = path.substr(0, at);
    if (::mkdir(built.c_str(), 0700) != 0 && errno != EEXIST)
      return system_failure("cannot create the folder " + built, errno);
  }
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode))
    return fail(ErrorCode::io, path + " is not a folder", "choose another path");
  return success();
}

}  // namespace quoin
