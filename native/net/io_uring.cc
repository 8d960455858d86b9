#include "net/io_uring.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#endif

namespace sluice::net {

IoUring::Mapping::~Mapping() {
  if (start != nullptr) {
    ::munmap(start, bytes);
  }
}

bool IoUring::Mapping::map(std::size_t size, int flags, int fd, std::int64_t offset) noexcept {
  void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, offset);
  if (mapped == MAP_FAILED) {
    return false;
  }
  start = mapped;
  bytes = size;
  return true;
}

#if defined(IORING_SETUP_DEFER_TASKRUN) && defined(__NR_io_uring_setup)

namespace {

// The kernel's ends of the rings are plain words.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
static_assert(sizeof(std::atomic<std::uint16_t>) == sizeof(std::uint16_t));

constexpr std::uint16_t kBufferGroup = 0;
/// IORING_FEAT_MIN_TIMEOUT, which headers before Linux 6.12 do not have.
constexpr unsigned kFeatureGather = 1U << 15;
/// More completions than this are not waited for, however long they might gather.
constexpr unsigned kMostGathered = 64;

/// io_uring_getevents_arg as Linux 6.12 has it; before that the third member had to be 0.
struct WaitArgument {
  std::uint64_t signalMask;
  std::uint32_t signalMaskBytes;
  std::uint32_t gatherUs;
  std::uint64_t limit;
};
static_assert(sizeof(WaitArgument) == sizeof(io_uring_getevents_arg));

template<typename T>
T* at(void* base, std::size_t offset) noexcept {
  void* place = static_cast<std::byte*>(base) + offset;
  return static_cast<T*>(place);
}

std::uint64_t addressOf(const void* pointer) noexcept {
  return std::bit_cast<std::uintptr_t>(pointer);
}

int registerWith(int fd, unsigned what, void* argument, unsigned count) noexcept {
  return static_cast<int>(::syscall(__NR_io_uring_register, fd, what, argument, count));
}

} // namespace

std::unique_ptr<IoUring> IoUring::open(const RingSizes& sizes, std::string& problem) noexcept {
  std::unique_ptr<IoUring> ring(new (std::nothrow) IoUring());
  if (!ring) {
    problem = "out of memory";
    return nullptr;
  }
  const char* failed = ring->setUp(sizes);
  if (failed != nullptr) {
    problem.assign(failed).append(": ").append(std::strerror(errno));
    return nullptr;
  }
  return ring;
}

const char* IoUring::setUp(const RingSizes& sizes) noexcept {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE;
  params.cq_entries = sizes.completions;
  fd_ = UniqueFd(static_cast<int>(::syscall(__NR_io_uring_setup, sizes.requests, &params)));
  if (!fd_.isOpen()) {
    return "io_uring_setup";
  }
  constexpr unsigned kNeeded =
      IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;
  if ((params.features & kNeeded) != kNeeded) {
    errno = EOPNOTSUPP;
    return "io_uring_setup";
  }
  canGather_ = (params.features & kFeatureGather) != 0;
  const std::size_t submissionBytes =
      params.sq_off.array + params.sq_entries * sizeof(std::uint32_t);
  const std::size_t completionBytes = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  constexpr int kFlags = MAP_SHARED | MAP_POPULATE;
  if (!rings_.map(submissionBytes > completionBytes ? submissionBytes : completionBytes, kFlags,
                  fd_.get(), IORING_OFF_SQ_RING) ||
      !requestMemory_.map(params.sq_entries * sizeof(io_uring_sqe), kFlags, fd_.get(),
                          static_cast<std::int64_t>(IORING_OFF_SQES))) {
    return "mmap";
  }
  using Word = std::atomic<std::uint32_t>;
  submissionHead_ = at<Word>(rings_.start, params.sq_off.head);
  submissionTail_ = at<Word>(rings_.start, params.sq_off.tail);
  requests_ = static_cast<io_uring_sqe*>(requestMemory_.start);
  requestCount_ = params.sq_entries;
  auto* order = at<std::uint32_t>(rings_.start, params.sq_off.array);
  for (std::uint32_t i = 0; i < requestCount_; ++i) {
    order[i] = i;
  }
  completionHeadShared_ = at<Word>(rings_.start, params.cq_off.head);
  completionTail_ = at<Word>(rings_.start, params.cq_off.tail);
  completions_ = at<io_uring_cqe>(rings_.start, params.cq_off.cqes);
  completionMask_ = params.cq_entries - 1;
  registerDescriptor();
  return setUpBuffers(sizes);
}

const char* IoUring::setUpBuffers(const RingSizes& sizes) noexcept {
  bufferBytes_ = sizes.bufferBytes;
  // An odd number of cache lines apart, so that the beginnings of buffers do not compete for the
  // same sets of the cache.
  bufferStride_ = sizes.bufferBytes + 64;
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS;
  if (!bufferRingMemory_.map(sizes.buffers * sizeof(io_uring_buf), kFlags, -1, 0) ||
      !bufferMemory_.map(sizes.buffers * bufferStride_, kFlags | MAP_NORESERVE, -1, 0)) {
    return "mmap";
  }
  bufferRing_ = static_cast<io_uring_buf_ring*>(bufferRingMemory_.start);
  buffers_ = static_cast<char*>(bufferMemory_.start);
  bufferMask_ = sizes.buffers - 1;
  io_uring_buf_reg registration{};
  registration.ring_addr = addressOf(bufferRing_);
  registration.ring_entries = sizes.buffers;
  registration.bgid = kBufferGroup;
  if (registerWith(fd_.get(), IORING_REGISTER_PBUF_RING, &registration, 1) != 0) {
    return "io_uring_register";
  }
  for (std::uint32_t i = 0; i < sizes.buffers; ++i) {
    giveBack(static_cast<std::int32_t>(i));
  }
  return nullptr;
}

IoUring::~IoUring() {
  if (enterFlags_ != 0) {
    // A thread that lives on would keep the ring, and all that it holds, by the number.
    io_uring_rsrc_update update{};
    update.offset = static_cast<std::uint32_t>(enterFd_);
    registerWith(fd_.get(), IORING_UNREGISTER_RING_FDS, &update, 1);
  }
}

/// Spares looking the descriptor up at each call.
void IoUring::registerDescriptor() noexcept {
  enterFd_ = fd_.get();
  io_uring_rsrc_update update{};
  update.offset = ~0U;
  update.data = static_cast<std::uint64_t>(fd_.get());
  if (registerWith(fd_.get(), IORING_REGISTER_RING_FDS, &update, 1) == 1) {
    enterFd_ = static_cast<int>(update.offset);
    enterFlags_ = IORING_ENTER_REGISTERED_RING;
  }
}

io_uring_sqe* IoUring::next() noexcept {
  if (queued_ - submissionHead_->load(std::memory_order_acquire) == requestCount_) {
    return nullptr;
  }
  io_uring_sqe* request = &requests_[queued_++ & (requestCount_ - 1)];
  std::memset(request, 0, sizeof *request);
  return request;
}

bool IoUring::send(int fd, std::string_view bytes, std::uint64_t tag) noexcept {
  io_uring_sqe* request = next();
  if (request == nullptr) {
    return false;
  }
  request->opcode = IORING_OP_SEND;
  request->flags = IOSQE_CQE_SKIP_SUCCESS;
  request->fd = fd;
  request->addr = addressOf(bytes.data());
  request->len = static_cast<std::uint32_t>(bytes.size());
  // Not to wait makes the kernel answer within the submission; all of it is what success means.
  request->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
  request->user_data = tag;
  return true;
}

bool IoUring::receive(int fd, std::uint64_t tag) noexcept {
  io_uring_sqe* request = next();
  if (request == nullptr) {
    return false;
  }
  request->opcode = IORING_OP_RECV;
  request->flags = IOSQE_BUFFER_SELECT;
  request->ioprio = IORING_RECV_MULTISHOT;
  request->fd = fd;
  request->buf_group = kBufferGroup;
  request->user_data = tag;
  return true;
}

bool IoUring::poll(int fd, std::uint32_t events, bool isRepeated, std::uint64_t tag) noexcept {
  io_uring_sqe* request = next();
  if (request == nullptr) {
    return false;
  }
  request->opcode = IORING_OP_POLL_ADD;
  request->fd = fd;
  request->len = isRepeated ? IORING_POLL_ADD_MULTI : 0;
  request->poll32_events = events;
  request->user_data = tag;
  return true;
}

bool IoUring::cancel(std::uint64_t of, std::uint64_t tag) noexcept {
  io_uring_sqe* request = next();
  if (request == nullptr) {
    return false;
  }
  request->opcode = IORING_OP_ASYNC_CANCEL;
  request->flags = IOSQE_CQE_SKIP_SUCCESS;
  request->fd = -1;
  request->addr = of;
  request->user_data = tag;
  return true;
}

int IoUring::enter(unsigned flags, int timeoutMs, std::uint32_t gatherUs) noexcept {
  submissionTail_->store(queued_, std::memory_order_release);
  const std::uint32_t count = queued_ - submissionHead_->load(std::memory_order_acquire);
  __kernel_timespec limit{};
  WaitArgument argument{};
  unsigned minimum = 0;
  if (timeoutMs != 0 && (flags & IORING_ENTER_GETEVENTS) != 0) {
    minimum = 1;
    if (gatherUs > 0 && canGather_) {
      // So many, or what there is when the time is up.
      minimum = kMostGathered;
      argument.gatherUs = gatherUs;
    }
    if (timeoutMs > 0) {
      limit.tv_sec = timeoutMs / 1000;
      limit.tv_nsec = std::int64_t{timeoutMs % 1000} * 1'000'000;
      argument.limit = addressOf(&limit);
    }
  }
  return static_cast<int>(::syscall(__NR_io_uring_enter, enterFd_, count, minimum,
                                    flags | enterFlags_ | IORING_ENTER_EXT_ARG, &argument,
                                    sizeof argument));
}

void IoUring::submit() noexcept {
  enter(0, 0);
}

void IoUring::settle() noexcept {
  enter(IORING_ENTER_GETEVENTS, 0);
}

void IoUring::submitAndWait(int timeoutMs, std::uint32_t gatherUs) noexcept {
  enter(IORING_ENTER_GETEVENTS, timeoutMs, gatherUs);
}

bool IoUring::takeRefused(std::uint64_t& tag) noexcept {
  if (queued_ == submissionHead_->load(std::memory_order_acquire)) {
    return false;
  }
  --queued_;
  submissionTail_->store(queued_, std::memory_order_release);
  tag = requests_[queued_ & (requestCount_ - 1)].user_data;
  return true;
}

Completion IoUring::peek(std::uint32_t at) const noexcept {
  const io_uring_cqe& raw = completions_[(completionHead_ + at) & completionMask_];
  Completion completion{.tag = raw.user_data, .result = raw.res};
  completion.hasMore = (raw.flags & IORING_CQE_F_MORE) != 0;
  if ((raw.flags & IORING_CQE_F_BUFFER) != 0) {
    completion.buffer = static_cast<std::int32_t>(raw.flags >> IORING_CQE_BUFFER_SHIFT);
  }
  return completion;
}

Completion IoUring::take() noexcept {
  const Completion completion = peek(0);
  completionHeadShared_->store(++completionHead_, std::memory_order_release);
  return completion;
}

void IoUring::giveBack(std::int32_t number) noexcept {
  // Not bufs[]: in C++ the header's empty struct in front of it shifts it.
  auto* slots = at<io_uring_buf>(bufferRing_, 0);
  io_uring_buf& slot = slots[bufferTail_ & bufferMask_];
  slot.addr = addressOf(buffer(number));
  slot.len = bufferBytes_;
  slot.bid = static_cast<std::uint16_t>(number);
  // The tail lies within the first slot.
  auto* tail = at<std::atomic<std::uint16_t>>(bufferRing_, offsetof(io_uring_buf, resv));
  tail->store(++bufferTail_, std::memory_order_release);
}

#else

// Built against kernel headers older than 6.1: open() makes none, so nothing else is ever called.

IoUring::~IoUring() = default;
std::unique_ptr<IoUring> IoUring::open(const RingSizes&, std::string& problem) noexcept {
  problem = "built with kernel headers older than 6.1";
  return nullptr;
}
bool IoUring::send(int, std::string_view, std::uint64_t) noexcept {
  return false;
}
bool IoUring::receive(int, std::uint64_t) noexcept {
  return false;
}
bool IoUring::poll(int, std::uint32_t, bool, std::uint64_t) noexcept {
  return false;
}
bool IoUring::cancel(std::uint64_t, std::uint64_t) noexcept {
  return false;
}
void IoUring::submit() noexcept {}
void IoUring::settle() noexcept {}
void IoUring::submitAndWait(int, std::uint32_t) noexcept {}
bool IoUring::takeRefused(std::uint64_t&) noexcept {
  return false;
}
Completion IoUring::peek(std::uint32_t) const noexcept {
  return {};
}
Completion IoUring::take() noexcept {
  return {};
}
void IoUring::giveBack(std::int32_t) noexcept {}

#endif

} // namespace sluice::net
