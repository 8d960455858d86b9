// The HTTP/1.1 role of the origin; load/http_request.h says what there is to ask for. A small
// request that comes again byte for byte costs one receive, one comparison and one send: its answer
// is kept whole. Larger bodies are gathered from the pattern by sendmsg: sendfile from a file in
// memory cost the origin and its readers about twice that for a body of 1 MiB, because it hands over
// single pages.
#pragma once

#include <array>
#include <ctime>
#include <set>
#include <string>
#include <utility>

#include "load/entry.h"
#include "load/http_answer.h"
#include "load/http_request.h"
#include "load/latency.h"

namespace sluice::load {

class HttpConnection;

/// What the HTTP connections of the origin have in common.
class HttpShared {
 public:
  explicit HttpShared(Shared& shared) : all(shared) { readClock(); }
  HttpShared(const HttpShared&) = delete;
  HttpShared& operator=(const HttpShared&) = delete;

  /// Before each answer: the second that answers are dated with. Answers of an older one are forgotten.
  void readClock() {
    const std::time_t second = std::time(nullptr);
    if (second != second_) {
      second_ = second;
      std::tm parts{};
      char text[64];
      std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", ::gmtime_r(&second, &parts));
      date_ = text;
      keptHead_.clear();
    }
  }

  [[nodiscard]] Answer answerTo(const Request& request, std::string_view text) const;

  /// `request`, its head and its answer are what comes next, again.
  void keep(std::string_view head, const Request& request, std::string answer) {
    keptHead_ = head;
    keptRequest_ = request;
    keptAnswer_ = std::move(answer);
  }
  [[nodiscard]] bool isKept(std::string_view data) const {
    return !keptHead_.empty() && data.starts_with(keptHead_);
  }
  [[nodiscard]] std::size_t keptHeadBytes() const { return keptHead_.size(); }
  [[nodiscard]] const Request& keptRequest() const { return keptRequest_; }
  [[nodiscard]] const std::string& keptAnswer() const { return keptAnswer_; }

  void wakeAt(std::uint64_t ns, HttpConnection* connection) { delayed_.emplace(ns, connection); }
  void forget(std::uint64_t ns, HttpConnection* connection) { delayed_.erase({ns, connection}); }

  /// For the loop: how long nothing is due, negative for ever.
  [[nodiscard]] std::int64_t restNs(std::uint64_t now) const {
    if (delayed_.empty()) {
      return -1;
    }
    const std::uint64_t due = delayed_.begin()->first;
    return due <= now ? 0 : static_cast<std::int64_t>(due - now);
  }
  [[nodiscard]] bool hasDelayed() const { return !delayed_.empty(); }
  void wakeDue(std::uint64_t now);

  Shared& all;

 private:
  std::time_t second_ = 0;
  std::string date_;
  std::string keptHead_;
  Request keptRequest_;
  std::string keptAnswer_;
  std::set<std::pair<std::uint64_t, HttpConnection*>> delayed_;
};

/// Owned by itself: deletes itself once its socket is closed. It reads a request when nothing of
/// the one before is left to do; what came early waits in carry_.
class HttpConnection final : public Entry {
 public:
  HttpConnection(HttpShared& http, int fd) : http_(http), fd_(fd) {
    http_.all.epoll.add(fd, EPOLLIN, this);
  }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  void onReady(std::uint32_t events) override {
    bool isOpen = (events & (EPOLLERR | EPOLLHUP)) == 0;
    if (isOpen && part_ == Part::Answer) {
      isOpen = sendAnswer() && goOn();
    } else if (isOpen && part_ != Part::Delay) {
      isOpen = receive();
    }
    closeUnless(isOpen);
  }

  void onDue() {
    dueNs_ = 0;
    http_.readClock();
    startAnswer();
    closeUnless(sendAnswer() && goOn());
  }

 private:
  enum class Part { Head, Body, Delay, Answer };

  static constexpr std::uint64_t kCheckedBytes = 1024 * 1024;
  static constexpr std::size_t kKeptAnswer = 64 * 1024;
  static constexpr std::size_t kSpans = 48;
  static constexpr int kSendsATurn = 4;

  ~HttpConnection() override {
    if (dueNs_ != 0) {
      http_.forget(dueNs_, this);
    }
    ::close(fd_);
  }

  void closeUnless(bool isOpen) {
    if (!isOpen) {
      delete this;
    }
  }

  [[nodiscard]] bool receive() {
    if (part_ == Part::Body && !request_.isBodyChunked && received_ >= kCheckedBytes) {
      return discard();
    }
    std::vector<std::byte>& buffer = http_.all.buffer;
    const ssize_t length = ::recv(fd_, buffer.data(), buffer.size(), 0);
    return length <= 0 ? mayTryAgain(length)
                       : consume(std::span(buffer).first(static_cast<std::size_t>(length)));
  }

  /// Past the checked beginning of a body the kernel need not even copy it.
  [[nodiscard]] bool discard() {
    const std::uint64_t left = request_.bodyBytes - received_;
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left, 16 * 1024 * 1024));
    const ssize_t length = ::recv(fd_, nullptr, most, MSG_TRUNC);
    if (length <= 0) {
      return mayTryAgain(length);
    }
    received_ += static_cast<std::uint64_t>(length);
    return received_ < request_.bodyBytes || (onRequest() && goOn());
  }

  /// What came early, when an answer has gone out.
  [[nodiscard]] bool goOn() {
    if (part_ != Part::Head || carry_.empty()) {
      return true;
    }
    const std::string early = std::exchange(carry_, {});
    return consume(bytesOf(early));
  }

  [[nodiscard]] bool consume(std::span<const std::byte> data) {
    while (!data.empty()) {
      if (part_ == Part::Head) {
        if (!takeHead(data)) {
          return false;
        }
      } else if (part_ == Part::Body) {
        if (!takeBody(data)) {
          return false;
        }
      } else {
        carry_ += textOf(data);
        return true;
      }
    }
    return true;
  }

  [[nodiscard]] bool takeHead(std::span<const std::byte>& data) {
    http_.readClock();
    if (carry_.empty() && http_.isKept(textOf(data))) {
      data = data.subspan(http_.keptHeadBytes());
      return sendKept();
    }
    const std::size_t before = carry_.size();
    carry_ += textOf(data);
    const std::size_t end = carry_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos) {
      data = {};
      return carry_.size() <= kLargestHead || refuse();
    }
    data = data.subspan(end + 4 - before);
    carry_.resize(end + 4);
    request_ = parseRequest(carry_);
    if (request_.status == 400) {
      return refuse();
    }
    received_ = 0;
    isPattern_ = true;
    dechunker_ = Dechunker();
    if (request_.hasBody()) {
      carry_.clear();
      part_ = Part::Body;
      return !request_.wantsContinue || say("HTTP/1.1 100 Continue\r\n\r\n");
    }
    keepAnswer();
    carry_.clear();
    return onRequest();
  }

  void keepAnswer() {
    if (request_.delayMs > 0 || request_.isHead || request_.isUpload || !request_.isKept) {
      return;
    }
    const Answer answer = http_.answerTo(request_, {});
    if (answer.total() > kKeptAnswer) {
      return;
    }
    std::array<iovec, kSpans> spans;
    const std::size_t count = answer.spans(http_.all.pattern, 0, spans);
    std::string whole;
    for (const iovec& span : std::span(spans).first(count)) {
      whole.append(static_cast<const char*>(span.iov_base), span.iov_len);
    }
    if (whole.size() == answer.total()) {
      http_.keep(carry_, request_, std::move(whole));
    }
  }

  [[nodiscard]] bool sendKept() {
    const std::string& answer = http_.keptAnswer();
    const ssize_t sent = ::send(fd_, answer.data(), answer.size(), MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(answer.size())) {
      return true;
    }
    request_ = http_.keptRequest();
    startAnswer();
    sent_ = sent > 0 ? static_cast<std::uint64_t>(sent) : 0;
    want(EPOLLOUT);
    return sent >= 0 || mayTryAgain(sent);
  }

  [[nodiscard]] bool takeBody(std::span<const std::byte>& data) {
    if (request_.isBodyChunked) {
      const Dechunker::State state =
          dechunker_.consume(data, [this](std::span<const std::byte> span) { onBody(span); });
      return state == Dechunker::State::More   ? true
             : state == Dechunker::State::Done ? onRequest()
                                               : refuse();
    }
    const std::uint64_t left = request_.bodyBytes - received_;
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left, data.size()));
    onBody(data.first(take));
    data = data.subspan(take);
    return received_ < request_.bodyBytes || onRequest();
  }

  void onBody(std::span<const std::byte> data) {
    if (received_ < kCheckedBytes) {
      isPattern_ = isPattern_ && http_.all.pattern.matches(received_, data);
    }
    received_ += data.size();
  }

  /// The request is whole.
  [[nodiscard]] bool onRequest() {
    if (request_.delayMs > 0) {
      part_ = Part::Delay;
      dueNs_ = nowNs() + request_.delayMs * 1'000'000;
      http_.wakeAt(dueNs_, this);
      want(0);
      return true;
    }
    startAnswer();
    return sendAnswer();
  }

  void startAnswer() {
    char text[80] = "";
    if (request_.isUpload && request_.status == 200) {
      std::snprintf(text, sizeof text, "{\"bytes\":%llu,\"isPattern\":%s}\n",
                    static_cast<unsigned long long>(received_), isPattern_ ? "true" : "false");
    }
    answer_ = http_.answerTo(request_, text);
    sent_ = 0;
    part_ = Part::Answer;
  }

  /// False when the connection is over: broken, or answered for the last time.
  [[nodiscard]] bool sendAnswer() {
    for (int sends = 0; sent_ < answer_.total(); ++sends) {
      if (sends == kSendsATurn) {
        want(EPOLLOUT); // others have a turn
        return true;
      }
      const ssize_t sent = sendSome();
      if (sent <= 0) {
        want(EPOLLOUT);
        return mayTryAgain(sent);
      }
      sent_ += static_cast<std::uint64_t>(sent);
    }
    part_ = Part::Head;
    want(EPOLLIN);
    return request_.isKept;
  }

  [[nodiscard]] ssize_t sendSome() {
    std::array<iovec, kSpans> spans;
    msghdr message{};
    message.msg_iov = spans.data();
    message.msg_iovlen = answer_.spans(http_.all.pattern, sent_, spans);
    return ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  }

  [[nodiscard]] bool say(std::string_view text) const {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }

  /// What cannot be parsed has no end either.
  [[nodiscard]] bool refuse() {
    request_ = Request();
    static_cast<void>(say(http_.answerTo(request_, {}).head()));
    return false;
  }

  void want(std::uint32_t events) {
    if (events != events_) {
      events_ = events;
      http_.all.epoll.change(fd_, events, this);
    }
  }

  HttpShared& http_;
  int fd_;
  std::uint32_t events_ = EPOLLIN;
  Part part_ = Part::Head;
  bool isPattern_ = true;
  Request request_;
  Dechunker dechunker_;
  std::uint64_t received_ = 0;
  std::uint64_t dueNs_ = 0; ///< 0: not waiting
  std::uint64_t sent_ = 0;
  Answer answer_;
  std::string carry_;
};

inline void HttpShared::wakeDue(std::uint64_t now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    HttpConnection* connection = delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    connection->onDue();
  }
}

/// `text` is the body of an answer to an upload.
inline Answer HttpShared::answerTo(const Request& request, std::string_view text) const {
  const bool isKept = request.isKept && request.status != 400;
  std::string_view reason = "OK";
  if (request.status != 200) {
    reason = request.status == 404   ? "Not Found"
             : request.status == 405 ? "Method Not Allowed"
                                     : "Bad Request";
    text = reason;
  }
  const bool isText = request.status != 200 || request.isUpload;
  // HTTP/1.0 has no chunks: there the length is announced.
  const bool isChunked = !isText && request.chunkBytes > 0 && !request.isOld;
  const std::uint64_t bytes = isText ? text.size() : request.bytes;
  std::string head = "HTTP/1.1 " + std::to_string(request.status) + " ";
  head += reason;
  head += "\r\nServer: origin\r\nDate: " + date_ + "\r\nContent-Type: application/octet-stream\r\n";
  head += isChunked ? "Transfer-Encoding: chunked\r\n"
                    : "Content-Length: " + std::to_string(bytes) + "\r\n";
  head += isKept ? (request.isOld ? "Connection: keep-alive\r\n\r\n" : "\r\n")
                 : "Connection: close\r\n\r\n";
  if (request.isHead) {
    return {std::move(head), std::string_view()};
  }
  if (isText) {
    return {std::move(head), text};
  }
  return {std::move(head), bytes, isChunked ? request.chunkBytes : 0};
}

} // namespace sluice::load
