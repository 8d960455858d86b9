#include "net/file.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::net {

void writeAll(const UniqueFd& fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      // Standard output may have been made non-blocking by whoever shares it.
      pollfd room{.fd = fd.get(), .events = POLLOUT, .revents = 0};
      ::poll(&room, 1, 1000);
    } else if (errno != EINTR) {
      return;
    }
  }
}

} // namespace sluice::net
