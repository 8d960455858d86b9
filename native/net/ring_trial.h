// Whether the io_uring of this kernel is to be relied on, found out before a loop is put on it: by
// the kernel's age, and by trying what kernels are known to do wrong. A version alone does not
// tell, because distributions mend old kernels and leave others unmended.
#pragma once

#include <string>
#include <string_view>

namespace sluice::net {

/// What speaks against a kernel of this release (uname -r), or empty. Linux 6.12 and later pass.
[[nodiscard]] std::string ringDoubtOf(std::string_view release);

/// Of the kernel that runs.
[[nodiscard]] std::string ringDoubtByAge();

/// Why the kernel makes no ring here, or which of its faults shows on one; or empty. Takes a few
/// sockets and, on a sound kernel, some tens of system calls. On a thread of its own: the kernel ends
/// a ring later, and then interrupts what the thread that had it waits for.
[[nodiscard]] std::string tryRing();

} // namespace sluice::net
