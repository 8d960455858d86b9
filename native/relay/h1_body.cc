#include "relay/h1_body.h"

#include <algorithm>

#include "http/edits.h"

namespace sluice::relay {

void H1BodyReader::begin(http::BodyKind kind, std::uint64_t length) noexcept {
  kind_ = kind;
  remaining_ = length;
  total_ = 0;
  isAtEnd_ = kind == http::BodyKind::None || (kind == http::BodyKind::Length && length == 0);
  if (kind == http::BodyKind::Chunked) {
    chunks_.reset();
  }
}

void H1BodyReader::skip(std::uint64_t bytes) noexcept {
  remaining_ -= bytes;
  total_ += bytes;
  isAtEnd_ = remaining_ == 0;
}

bool H1BodyReader::read(BufferPool& pool, std::string_view& input, BodySlices& body) noexcept {
  switch (kind_) {
  case http::BodyKind::None:
    break;
  case http::BodyKind::Length: {
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
    if (take > 0) {
      body.add(input.substr(0, take));
      input.remove_prefix(take);
      skip(take);
    }
    break;
  }
  case http::BodyKind::Chunked:
    if (!isAtEnd_ && !readChunked(pool, input, body)) {
      return false;
    }
    break;
  case http::BodyKind::UntilClose:
    if (!input.empty()) {
      body.add(input);
      total_ += input.size();
      input = {};
    }
    break;
  }
  body.isEnd = isAtEnd_;
  return true;
}

bool H1BodyReader::readChunked(BufferPool& pool, std::string_view& input,
                               BodySlices& body) noexcept {
  while (!body.isFull()) {
    const http::ChunkedDecoder::Step step = chunks_.next(input);
    if (step.state == http::ParseState::Bad) {
      return false;
    }
    input.remove_prefix(step.consumed);
    if (!step.data.empty()) {
      body.add(step.data);
      total_ += step.data.size();
    }
    if (!step.trailerName.empty() && !http::mayPassFor(withheld_, step.trailerName)) {
      // Trailers are few and rare: copied, because they are forwarded only once all have been seen.
      for (const std::string_view part : {step.trailerName, std::string_view(": "),
                                          step.trailerValue, std::string_view("\r\n")}) {
        if (!trailers_.append(pool, part)) {
          return false;
        }
      }
    }
    if (step.isLast) {
      isAtEnd_ = true;
      body.trailers = trailers_.view();
      return true;
    }
    if (step.state == http::ParseState::Partial) {
      return true;
    }
  }
  return true;
}

void H1Parts::addBody(BodyFraming framing, const BodySlices& body) noexcept {
  if (framing == BodyFraming::None) {
    return;
  }
  const bool isChunked = framing == BodyFraming::Chunked;
  if (isChunked && body.bytes > 0) {
    add({chunkHead_, http::writeChunkHead(chunkHead_, body.bytes)});
  }
  for (std::size_t i = 0; i < body.count; ++i) {
    parts_[count_++] = body.parts[i];
  }
  if (!isChunked) {
    return;
  }
  if (body.bytes > 0) {
    add(http::kChunkEnd);
  }
  if (body.isEnd) {
    add(body.trailers.empty() ? http::kLastChunk : http::kLastChunkHead);
    if (!body.trailers.empty()) {
      add(body.trailers);
      add(http::kChunkEnd);
    }
  }
}

SendState sendParts(net::Stream& stream, BufferPool& pool, ByteQueue& queue,
                    const H1Parts& parts) noexcept {
  if (!stream.isOpen()) {
    return SendState::Broken;
  }
  std::size_t taken = 0;
  if (queue.isEmpty() && !parts.isEmpty()) {
    const net::SendResult sent = stream.send(parts.parts());
    if (sent.isFailed) {
      return SendState::Broken;
    }
    taken = sent.taken;
  }
  for (const iovec& part : parts.parts()) {
    const std::string_view bytes(static_cast<const char*>(part.iov_base), part.iov_len);
    const std::size_t skip = std::min(taken, bytes.size());
    taken -= skip;
    if (!queue.append(pool, bytes.substr(skip))) {
      return SendState::Broken;
    }
  }
  return queue.isEmpty() ? SendState::Sent : SendState::Blocked;
}

SendState flushQueue(net::Stream& stream, BufferPool& pool, ByteQueue& queue) noexcept {
  if (queue.isEmpty()) {
    return SendState::Sent;
  }
  const net::SendResult sent = stream.send(queue.view());
  if (sent.isFailed) {
    return SendState::Broken;
  }
  queue.consume(pool, sent.taken);
  return queue.isEmpty() ? SendState::Sent : SendState::Blocked;
}

} // namespace sluice::relay
