// A worker: one thread with one event loop that owns its listeners, flows, upstream pools, timers
// and buffers. The main thread reaches it by mailbox only; what it publishes is atomic.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "net/loop.h"
#include "net/waker.h"
#include "relay/context.h"
#include "relay/slabs.h"
#include "upstream/names.h"
#include "upstream/origins.h"
#include "upstream/verdicts.h"
#include "worker/listener.h"
#include "worker/outbox.h"

namespace sluice::worker {

enum class LoopKind : std::uint8_t { Epoll, IoUring };

/// A listener of the plan that is being applied, as one worker gets it.
struct ListenerHandover {
  /// The same number for as long as the listener keeps its address.
  std::uint32_t id = 0;
  /// Open when the listener is new to the workers.
  UniqueFd socket;
  bool isShared = false;
};

struct ApplyCommand {
  std::uint64_t sequence = 0;
  std::shared_ptr<const plan::Plan> plan;
  /// One a listener, in the plan's order.
  std::vector<ListenerHandover> listeners;
  std::vector<std::uint16_t> logs;
  upstream::PlanTls tls;
};
/// Answers to questions of the worker.
struct NameCommand {
  std::uint64_t question = 0;
  upstream::NameAnswer answer;
};
struct VerdictCommand {
  std::uint64_t question = 0;
  bool isRight = false;
};
struct DrainCommand {};
struct StopCommand {};
using Command = std::variant<ApplyCommand, NameCommand, VerdictCommand, DrainCommand, StopCommand>;

class Worker final : public net::WakerOwner, public upstream::QuestionOutlet {
 public:
  /// `outbox` outlives the worker.
  Worker(std::uint32_t index, LoopKind loop, Outbox& outbox) noexcept;

  /// The worker that a question came from.
  [[nodiscard]] static std::uint32_t askerOf(std::uint64_t question) noexcept {
    return static_cast<std::uint32_t>(question >> kQuestionBits);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() = default;

  // Main thread:
  /// Waits until the thread has opened its loop.
  [[nodiscard]] bool start() noexcept;
  /// Why the loop is not the one that was asked for, or empty.
  [[nodiscard]] const std::string& loopProblem() const noexcept { return loop_.ringProblem(); }
  void post(Command command);
  void join() noexcept;
  /// Sequence of the plan last taken over.
  [[nodiscard]] std::uint64_t applied() const noexcept {
    return applied_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint32_t openFlows() const noexcept {
    return openFlows_.load(std::memory_order_relaxed);
  }
  /// Read by the log writer's thread.
  [[nodiscard]] ByteRing& log() noexcept { return log_; }

 private:
  /// Of a question's number; the worker's index is above. JavaScript counts to 2^53.
  static constexpr unsigned kQuestionBits = 40;

  static void* main(void* self) noexcept;
  void run() noexcept;
  void onWake() noexcept override;
  void handle(ApplyCommand& command) noexcept;
  void handle(NameCommand& command) noexcept;
  void handle(VerdictCommand& command) noexcept;
  void handle(DrainCommand& command) noexcept;
  void handle(StopCommand& command) noexcept;
  [[nodiscard]] std::uint64_t ask(QuestionKind kind, std::string_view subject,
                                  std::string_view name,
                                  std::string_view password) noexcept override;
  void open(std::uint32_t id, std::uint32_t index, ListenerHandover& handover) noexcept;

  const std::uint32_t index_;
  Outbox& outbox_;
  std::uint64_t questions_ = 0;
  LoopKind kind_;
  net::Loop loop_;
  net::PipePool pipes_;
  balance::Rng rng_;
  ByteRing log_;
  relay::FlowList flows_;
  relay::Slabs slabs_;
  std::unique_ptr<relay::HttpScratch> http_;
  upstream::TargetPools pools_;
  upstream::Origins origins_;
  upstream::Names names_;
  upstream::Verdicts verdicts_;
  relay::Context context_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Listener>> listeners_;
  net::Waker waker_;
  bool isStopping_ = false;
  pthread_t thread_{};
  bool isRunning_ = false;

  enum class Start : std::uint8_t { Pending, Open, Failed };
  /// Written once by this worker, when its loop is open or cannot be.
  std::atomic<Start> start_{Start::Pending};

  /// Guards mailbox_: the main thread writes, this worker takes all at once when it is woken.
  std::mutex mailboxMutex_;
  std::vector<Command> mailbox_;

  // Written by this worker, read by the main thread.
  alignas(kCacheLine) std::atomic<std::uint64_t> applied_{0};
  std::atomic<std::uint32_t> openFlows_{0};
};

} // namespace sluice::worker
