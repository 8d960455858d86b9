#include "worker/worker.h"

#include <signal.h>

#include <algorithm>
#include <utility>

namespace sluice::worker {

namespace {

constexpr std::size_t kLogRingBytes = 1024 * 1024;

} // namespace

Worker::Worker(std::uint32_t index, LoopKind loop, Outbox& outbox) noexcept
    : index_(index), outbox_(outbox), kind_(loop), rng_(0x51u * (index + 1)), log_(kLogRingBytes),
      http_(std::make_unique<relay::HttpScratch>()), names_(*this),
      verdicts_(*this), context_{.worker = index,
                                 .loop = loop_,
                                 .pipes = pipes_,
                                 .rng = rng_,
                                 .log = log_,
                                 .flows = flows_,
                                 .slabs = slabs_,
                                 .http = *http_,
                                 .origins = origins_,
                                 .names = names_,
                                 .verdicts = verdicts_,
                                 .clock = {},
                                 .date = {},
                                 .current = {},
                                 .departures = 0},
      waker_(*this) {}

bool Worker::start() noexcept {
  // The thread inherits the mask: signals are the main thread's business, and a splice into a
  // closed socket raises SIGPIPE.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  isRunning_ = ::pthread_create(&thread_, nullptr, &Worker::main, this) == 0;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!isRunning_) {
    return false;
  }
  start_.wait(Start::Pending, std::memory_order_acquire);
  if (start_.load(std::memory_order_acquire) == Start::Failed) {
    join();
    return false;
  }
  return true;
}

void Worker::post(Command command) {
  {
    const std::lock_guard lock(mailboxMutex_);
    mailbox_.push_back(std::move(command));
  }
  waker_.wake();
}

void Worker::join() noexcept {
  if (std::exchange(isRunning_, false)) {
    ::pthread_join(thread_, nullptr);
  }
}

void* Worker::main(void* self) noexcept {
  auto* worker = static_cast<Worker*>(self);
  ::pthread_setname_np(::pthread_self(), "sluice-worker");
  worker->run();
  return nullptr;
}

void Worker::run() noexcept {
  if (kind_ == LoopKind::IoUring) {
    loop_.useRing();
  }
  const bool isOpen = loop_.isOpen() && waker_.start(loop_).has_value();
  // Release: the main thread reads what the loop has to say.
  start_.store(isOpen ? Start::Open : Start::Failed, std::memory_order_release);
  start_.notify_one();
  if (!isOpen) {
    return;
  }
  while (!isStopping_) {
    loop_.turn();
    openFlows_.store(flows_.count(), std::memory_order_relaxed);
  }
  loop_.finish();
  openFlows_.store(0, std::memory_order_relaxed);
}

void Worker::onWake() noexcept {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mailboxMutex_);
    commands.swap(mailbox_);
  }
  for (Command& command : commands) {
    std::visit([this](auto& what) { handle(what); }, command);
  }
}

void Worker::open(std::uint32_t id, std::uint32_t index, ListenerHandover& handover) noexcept {
  auto listener = std::make_unique<Listener>(context_);
  if (!listener->start(index, std::move(handover.socket), handover.isShared)) {
    context_.shard(context_.current->plan().listeners[index].stats).error(Errc::OutOfMemory);
    return;
  }
  listeners_.emplace(id, std::move(listener));
}

void Worker::handle(ApplyCommand& command) noexcept {
  context_.current =
      pools_.activate(std::move(command.plan), std::move(command.logs), std::move(command.tls));
  std::unordered_map<std::uint32_t, std::unique_ptr<Listener>> before =
      std::exchange(listeners_, {});
  bool hasClosed = false;
  for (std::uint32_t index = 0; index < command.listeners.size(); ++index) {
    ListenerHandover& handover = command.listeners[index];
    const auto known = before.find(handover.id);
    if (known == before.end()) {
      open(handover.id, index, handover);
      continue;
    }
    hasClosed = !known->second->keep(index) || hasClosed;
    listeners_.insert(before.extract(known));
  }
  for (auto& [id, listener] : before) {
    Listener::retire(std::move(listener));
  }
  if (hasClosed || !before.empty()) {
    flows_.forEach([](relay::Flow& flow) { flow.onListenerClosed(); });
  }
  // Release: whoever sees the number sees a worker that serves the plan.
  applied_.store(command.sequence, std::memory_order_release);
}

std::uint64_t Worker::ask(QuestionKind kind, std::string_view subject, std::string_view name,
                          std::string_view password) noexcept {
  const std::uint64_t id = std::uint64_t{index_} << kQuestionBits | ++questions_;
  outbox_.put({.id = id,
               .kind = kind,
               .subject = std::string(subject),
               .name = std::string(name),
               .password = std::string(password)});
  return id;
}

void Worker::handle(NameCommand& command) noexcept {
  names_.onAnswer(command.question, std::move(command.answer), loop_.nowMs());
}

void Worker::handle(VerdictCommand& command) noexcept {
  verdicts_.onAnswer(command.question, command.isRight, loop_.nowMs());
}

void Worker::handle(DrainCommand&) noexcept {
  for (auto& [id, listener] : listeners_) {
    listener->close();
  }
  flows_.forEach([](relay::Flow& flow) { flow.onDrain(); });
}

void Worker::handle(StopCommand&) noexcept {
  for (auto& [id, listener] : listeners_) {
    listener->close();
  }
  flows_.forEach([](relay::Flow& flow) { flow.onCut(); });
  pools_.retireAll();
  origins_.retireAll();
  isStopping_ = true;
}

} // namespace sluice::worker
