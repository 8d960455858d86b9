// The Protocol of load-http (load/clients.h): one request over and over, and an answer that is
// parsed by its framing and compared with what was asked for. A head that equals the last one byte
// for byte is not parsed again. Status and length are verified always, bytes in the check and in
// the first MiB of a client.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "load/clients.h"
#include "load/http_text.h"
#include "load/pattern.h"

namespace sluice::load {

struct HttpShape {
  std::string host;
  std::string path;
  std::string fields;      ///< more lines of the head, each with its CRLF
  bool isAbsolute = false; ///< the request line names the host too, as forward proxies are asked
  bool isPost = false;
  bool isReused = true;
  bool isOriginExpected = true; ///< the bytes are those that our origin sends; else any
  std::uint64_t bodyBytes = 0;
  std::uint32_t expectedStatus = 200;
  std::optional<std::uint64_t> expectedBytes; ///< empty: as many as the first answer had
};

class HttpExchanges {
 public:
  struct Exchange {
    enum class Part { Head, Length, Chunked, UntilClose };
    Part part = Part::Head;
    bool isKept = true;
    std::uint64_t left = 0;     ///< of a body with a length
    std::uint64_t body = 0;     ///< received
    std::uint64_t verified = 0; ///< by this client, ever
    Dechunker dechunker;
    std::string carry; ///< the beginning of a head that came in pieces
  };

  explicit HttpExchanges(const HttpShape& shape)
      : shape_(shape), pattern_(std::make_unique<Pattern>()), expectedBytes_(shape.expectedBytes) {
    const std::string before = shape.isAbsolute ? "http://" + shape.host : "";
    head_ = (shape.isPost ? "POST " : "GET ") + before + shape.path +
            " HTTP/1.1\r\nHost: " + shape.host + "\r\n" + shape.fields;
    if (shape.isPost) {
      head_ += "Content-Length: " + std::to_string(shape.bodyBytes) + "\r\n";
      if (shape.isOriginExpected) {
        expectedText_ = "{\"bytes\":" + std::to_string(shape.bodyBytes) + ",\"isPattern\":true}\n";
        expectedBytes_ = expectedText_.size();
      }
    }
    head_ += shape.isReused ? "\r\n" : "Connection: close\r\n\r\n";
  }

  [[nodiscard]] std::uint64_t requestBytes() const {
    return head_.size() + (shape_.isPost ? shape_.bodyBytes : 0);
  }
  [[nodiscard]] std::uint64_t expectedBytes() const { return expectedBytes_.value_or(0); }
  [[nodiscard]] static std::uint64_t answerBytes(const Exchange& exchange) { return exchange.body; }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  void setThorough(bool isThorough) { isThorough_ = isThorough; }

  void begin(Exchange& exchange) const {
    exchange.part = Exchange::Part::Head;
    exchange.body = 0;
    exchange.carry.clear();
  }

  [[nodiscard]] std::size_t request(const Exchange&, std::uint32_t, std::uint64_t offset,
                                    std::array<iovec, 2>& spans) const {
    std::size_t used = 0;
    const auto add = [&](const void* at, std::size_t length) {
      // RULE: iovec has no form for what is only read.
      spans[used++] = {const_cast<void*>(at), length};
    };
    if (offset < head_.size()) {
      add(head_.data() + offset, head_.size() - static_cast<std::size_t>(offset));
      offset = head_.size();
    }
    if (const std::uint64_t left = requestBytes() - offset; left > 0) {
      const std::span<const std::byte> data = pattern_->from(offset - head_.size());
      add(data.data(), static_cast<std::size_t>(std::min<std::uint64_t>(left, data.size())));
    }
    return used;
  }

  [[nodiscard]] Progress receive(Exchange& exchange, std::uint32_t,
                                 std::span<const std::byte> data) {
    while (exchange.part == Exchange::Part::Head) {
      if (exchange.carry.empty() && !lastHead_.empty() && textOf(data).starts_with(lastHead_)) {
        data = data.subspan(lastHead_.size());
        const Progress progress = startBody(exchange, last_);
        if (progress != Progress::More) {
          return data.empty() || progress == Progress::Wrong ? progress : bytesAfterwards();
        }
        break;
      }
      const std::size_t before = exchange.carry.size();
      exchange.carry += textOf(data);
      const std::size_t end = exchange.carry.find("\r\n\r\n", before < 3 ? 0 : before - 3);
      if (end == std::string::npos) {
        return exchange.carry.size() <= kLargestHead ? Progress::More
                                                     : wrong("its head is endless");
      }
      data = data.subspan(end + 4 - before);
      const std::string head = std::exchange(exchange.carry, {}).substr(0, end + 4);
      const Progress progress = onHead(exchange, head);
      if (progress != Progress::More) {
        return data.empty() || progress == Progress::Wrong ? progress : bytesAfterwards();
      }
    }
    return data.empty() ? Progress::More : onBody(exchange, data);
  }

  [[nodiscard]] Progress end(Exchange& exchange) {
    if (exchange.part != Exchange::Part::UntilClose) {
      return Progress::More;
    }
    exchange.isKept = false;
    return onWhole(exchange);
  }

 private:
  static constexpr std::uint64_t kVerifiedBytes = 1024 * 1024;

  struct Head {
    std::uint32_t status = 0;
    bool isKept = true;
    Framing framing;
  };

  [[nodiscard]] Progress wrong(std::string problem) {
    problem_ = std::move(problem);
    return Progress::Wrong;
  }
  [[nodiscard]] Progress bytesAfterwards() { return wrong("bytes after the answer"); }

  /// `text` ends with an empty line. More: its body follows, or after a 1xx another head.
  [[nodiscard]] Progress onHead(Exchange& exchange, const std::string& text) {
    const std::size_t lineEnd = text.find("\r\n");
    const bool isOurs = text.starts_with("HTTP/1.1 ") || text.starts_with("HTTP/1.0 ");
    const std::optional<std::uint64_t> status =
        parseDecimal(std::string_view(text).substr(std::min<std::size_t>(9, text.size()), 3));
    const std::optional<Framing> framing = parseFraming(std::string_view(text).substr(lineEnd + 2));
    if (!isOurs || lineEnd < 12 || !status || *status < 100 || !framing) {
      return wrong("its head cannot be parsed");
    }
    if (*status < 200 && *status != 101) {
      return Progress::More;
    }
    Head head;
    head.status = static_cast<std::uint32_t>(*status);
    head.framing = *framing;
    head.isKept = !framing->saysClose && (text[7] == '1' || framing->saysKeepAlive);
    last_ = head;
    lastHead_ = text;
    return startBody(exchange, head);
  }

  [[nodiscard]] Progress startBody(Exchange& exchange, const Head& head) {
    if (head.status != shape_.expectedStatus) {
      return wrong("status " + std::to_string(head.status) + " instead of " +
                   std::to_string(shape_.expectedStatus));
    }
    exchange.isKept = head.isKept;
    exchange.left = 0;
    if (head.status == 204 || head.status == 304) {
      exchange.part = Exchange::Part::Length;
      return onWhole(exchange);
    }
    if (head.framing.isChunked) {
      exchange.part = Exchange::Part::Chunked;
      exchange.dechunker = Dechunker();
    } else if (head.framing.length) {
      exchange.part = Exchange::Part::Length;
      exchange.left = *head.framing.length;
      if (expectedBytes_ && exchange.left != *expectedBytes_) {
        return wrongLength(exchange.left);
      }
      if (exchange.left == 0) {
        return onWhole(exchange);
      }
    } else {
      exchange.part = Exchange::Part::UntilClose;
    }
    return Progress::More;
  }

  [[nodiscard]] Progress onBody(Exchange& exchange, std::span<const std::byte> data) {
    switch (exchange.part) {
    case Exchange::Part::Length: {
      if (data.size() > exchange.left) {
        return bytesAfterwards();
      }
      exchange.left -= data.size();
      if (!isRight(exchange, data)) {
        return wrong("another body than the origin sends");
      }
      return exchange.left == 0 ? onWhole(exchange) : Progress::More;
    }
    case Exchange::Part::Chunked: {
      bool areRight = true;
      const Dechunker::State state =
          exchange.dechunker.consume(data, [&](std::span<const std::byte> span) {
            areRight = isRight(exchange, span) && areRight;
          });
      if (!areRight) {
        return wrong("another body than the origin sends");
      }
      if (state == Dechunker::State::Bad) {
        return wrong("its chunks cannot be parsed");
      }
      if (state == Dechunker::State::More) {
        return Progress::More;
      }
      return data.empty() ? onWhole(exchange) : bytesAfterwards();
    }
    case Exchange::Part::UntilClose:
      return isRight(exchange, data) ? Progress::More : wrong("another body than the origin sends");
    case Exchange::Part::Head:
      break;
    }
    return Progress::Wrong;
  }

  /// Counts, and compares what is to be compared.
  [[nodiscard]] bool isRight(Exchange& exchange, std::span<const std::byte> data) const {
    const std::uint64_t offset = exchange.body;
    exchange.body += data.size();
    if (!shape_.isOriginExpected || (!isThorough_ && exchange.verified >= kVerifiedBytes)) {
      return true;
    }
    exchange.verified += data.size();
    if (!shape_.isPost) {
      return pattern_->matches(offset, data);
    }
    return exchange.body <= expectedText_.size() && std::string_view(expectedText_)
                                                        .substr(static_cast<std::size_t>(offset))
                                                        .starts_with(textOf(data));
  }

  [[nodiscard]] Progress onWhole(const Exchange& exchange) {
    if (!expectedBytes_) {
      expectedBytes_ = exchange.body;
    }
    if (exchange.body != *expectedBytes_) {
      return wrongLength(exchange.body);
    }
    return exchange.isKept ? Progress::Done : Progress::DoneAndClosed;
  }

  [[nodiscard]] Progress wrongLength(std::uint64_t bytes) {
    return wrong("a body of " + std::to_string(bytes) + " bytes instead of " +
                 std::to_string(*expectedBytes_));
  }

  HttpShape shape_;
  std::unique_ptr<Pattern> pattern_;
  std::optional<std::uint64_t> expectedBytes_;
  std::string head_;
  std::string expectedText_; ///< what our origin says to a POST
  std::string lastHead_;
  Head last_;
  std::string problem_;
  bool isThorough_ = false;
};

} // namespace sluice::load
