#include "http/chunked.h"

#include <random>
#include <string>
#include <vector>

#include "http/head_writer.h"
#include "test/http/guarded.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;
using namespace std::string_literals;

namespace {

struct Decoded {
  std::string payload;
  std::string trailers;
  std::size_t consumed = 0;
  bool isBad = false;
  bool isLast = false;
};

/// Feeds the text in pieces of `piece` bytes; what the decoder leaves is presented again with the
/// next piece.
Decoded decode(std::string_view text, std::size_t piece) {
  ChunkedDecoder decoder;
  Decoded out;
  std::size_t known = 0;
  while (known < text.size() && !out.isBad && !out.isLast) {
    known = std::min(text.size(), known + piece);
    const test::Guarded guarded(text.substr(out.consumed, known - out.consumed));
    std::string_view rest = guarded.text();
    while (true) {
      const ChunkedDecoder::Step step = decoder.next(rest);
      rest.remove_prefix(step.consumed);
      out.consumed += step.consumed;
      out.payload += step.data;
      if (!step.trailerName.empty()) {
        out.trailers += std::string(step.trailerName) + "=" + std::string(step.trailerValue) + ";";
      }
      out.isBad = step.state == ParseState::Bad;
      out.isLast = step.isLast;
      if (step.state != ParseState::Done || step.isLast) {
        break;
      }
    }
  }
  CHECK(out.isBad || out.payload.size() == decoder.totalPayload());
  return out;
}

/// As a relay forwards: verified bytes as they stand, and anew from where they are not canonical.
struct Forwarded {
  std::string text;
  std::size_t consumed = 0;
  bool isBad = false;
  bool isLast = false;
};

void rewrite(ChunkedDecoder& decoder, std::string_view rest, Forwarded& out) {
  while (!out.isBad && !out.isLast) {
    const ChunkedDecoder::Step step = decoder.next(rest);
    rest.remove_prefix(step.consumed);
    out.consumed += step.consumed;
    out.isBad = step.state == ParseState::Bad;
    out.isLast = step.isLast;
    if (!step.data.empty()) {
      char chunkHead[kChunkHeadBytes];
      out.text += std::string_view(chunkHead, writeChunkHead(chunkHead, step.data.size()));
      out.text += step.data;
      out.text += kChunkEnd;
    }
    if (step.state != ParseState::Done) {
      return;
    }
  }
  out.text += out.isLast ? kLastChunk : "";
}

Forwarded forward(std::string_view text, std::size_t piece) {
  ChunkedDecoder decoder;
  Forwarded out;
  std::size_t known = 0;
  while (known < text.size() && !out.isBad && !out.isLast) {
    known = std::min(text.size(), known + piece);
    const test::Guarded guarded(text.substr(out.consumed, known - out.consumed));
    const ChunkedDecoder::Verified verified = decoder.verify(guarded.text());
    out.text += guarded.text().substr(0, verified.verifiedBytes);
    out.consumed += verified.verifiedBytes;
    out.isBad = verified.state == ParseState::Bad;
    out.isLast = verified.isLast;
    if (verified.needsRewrite) {
      rewrite(decoder, guarded.text().substr(verified.verifiedBytes), out);
    }
  }
  return out;
}

bool isRefused(const std::string& text) {
  bool isAlwaysBad = true;
  for (std::size_t piece : {text.size(), std::size_t{1}, std::size_t{3}}) {
    const Decoded decoded = decode(text, piece);
    isAlwaysBad = isAlwaysBad && decoded.isBad && !decoded.isLast;
  }
  ChunkedDecoder decoder;
  const ChunkedDecoder::Verified verified = decoder.verify(text);
  return isAlwaysBad && (verified.state == ParseState::Bad || verified.needsRewrite);
}

std::string payloadOf(const std::string& text) {
  const Decoded whole = decode(text, text.size());
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    const Decoded parts = decode(text, piece);
    CHECK(parts.payload == whole.payload && parts.trailers == whole.trailers);
    CHECK_EQ(parts.consumed, whole.consumed);
    CHECK_EQ(parts.isLast, whole.isLast);
  }
  CHECK(whole.isLast && !whole.isBad);
  CHECK_EQ(whole.consumed, text.size());
  return whole.payload + (whole.trailers.empty() ? "" : "|" + whole.trailers);
}

} // namespace

TEST("chunks are decoded however they are cut") {
  CHECK_EQ(payloadOf("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "hello world");
  CHECK_EQ(payloadOf("0\r\n\r\n"), "");
  CHECK_EQ(payloadOf("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789");
  CHECK_EQ(payloadOf("0005\r\nhello\r\n000\r\n\r\n"), "hello");
  CHECK_EQ(payloadOf("4\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n\r\n");
}

TEST("A10: chunk sizes are hex digits and nothing else") {
  for (const std::string& text : {
           "\r\nhello\r\n0\r\n\r\n"s,
           "+5\r\nhello\r\n"s,
           "-1\r\n"s,
           "0x5\r\nhello\r\n"s,
           "5_0\r\n"s,
           "5g\r\nhello\r\n"s,
           " 5\r\nhello\r\n"s,
           "5 \r\nhello\r\n"s,
           "5\t\r\nhello\r\n"s,
           "FFFFFFFFFFFFFFFF0\r\n"s,
           "00000000000000005\r\nhello\r\n"s,
           "FFFFFFFFFFFFFFFF\r\nx"s,
           "8000000000000000\r\nx"s,
           "5\nhello\r\n"s,
           "5\r\rhello"s,
           "5\rhello\r\n"s,
           "5\r\nhello0\r\n\r\n"s,
           "5\r\nhello\n0\r\n\r\n"s,
           "5\r\nhello\r\r\n"s,
           "5\r\nhello\r\n\r\n0\r\n\r\n"s,
           "4\r\nhello\r\n0\r\n\r\n"s,
           "6\r\nhello\r\n0\r\n\r\n"s,
           "\0005\r\nhello\r\n"s,
           "5\0\r\nhello\r\n"s,
           "5,5\r\nhello\r\n"s,
           "0\r\n\n"s,
           "0\n\n"s,
           "0\r\n\rX"s,
       }) {
    CHECK(isRefused(text));
  }
}

TEST("A11: well-formed extensions are dropped, others are refused") {
  CHECK_EQ(payloadOf("5;a\r\nhello\r\n0\r\n\r\n"), "hello");
  CHECK_EQ(payloadOf("5;a=b;c=\"d;\\\"e\x80\"\r\nhello\r\n0;last\r\n\r\n"), "hello");
  CHECK_EQ(payloadOf("5; a = b\r\nhello\r\n0\r\n\r\n"), "hello");
  for (const std::string& text : {
           "5;\r\nhello\r\n"s,
           "5;=b\r\nhello\r\n"s,
           "5;a=\r\nhello\r\n"s,
           "5;a=\"b\r\nhello\r\n"s,
           "5;a=\"b\\\r\nhello\r\n"s,
           "5;a b\r\nhello\r\n"s,
           "5;a \r\nhello\r\n"s,
           "5 ;a\r\nhello\r\n"s,
           "5;a\nhello\r\n"s,
           "5;a\rb\r\nhello\r\n"s,
           "5;a=\"\x01\"\r\nhello\r\n"s,
           "5;a\0\r\nhello\r\n"s,
           "5;a=\"\n\"\r\nhello\r\n"s,
           "5;;\r\nhello\r\n"s,
       }) {
    CHECK(isRefused(text));
  }
}

TEST("A11: framing may not cost out of proportion") {
  const std::string longLine = "1;a=" + std::string(kMaxChunkLine, 'b') + "\r\nx\r\n0\r\n\r\n";
  CHECK(decode(longLine, longLine.size()).isBad);
  CHECK(decode(longLine, 64).isBad);
  std::string manyExtensions;
  for (int i = 0; i < 20; ++i) {
    manyExtensions += "1;a=" + std::string(1000, 'b') + "\r\nx\r\n";
  }
  CHECK(decode(manyExtensions + "0\r\n\r\n", 4096).isBad);
  std::string padded;
  std::string bytewise;
  for (int i = 0; i < 20'000; ++i) {
    padded += "0000000000000001\r\nx\r\n";
    bytewise += "1\r\nx\r\n";
  }
  CHECK(decode(padded + "0\r\n\r\n", 4096).isBad);
  CHECK_EQ(decode(bytewise + "0\r\n\r\n", 4096).payload.size(), 20'000u);
}

TEST("A12: trailers pass, those that may not are dropped, and there are limits") {
  CHECK_EQ(payloadOf("1\r\nx\r\n0\r\nX-Sum: 42\r\nContent-Length: 9\r\nHost: evil\r\n"
                     "X-B:  c \r\nAuthorization: a\r\nx_sum: 1\r\nContent-Type: a\r\n\r\n"),
           "x|X-Sum=42;X-B=c;");
  for (const std::string& text : {
           "0\r\nX: a\n\r\n"s,
           "0\r\nX: a\rb\r\n\r\n"s,
           "0\r\nX : a\r\n\r\n"s,
           "0\r\n X: a\r\n\r\n"s,
           "0\r\nX\r\n\r\n"s,
           "0\r\n: a\r\n\r\n"s,
           "0\r\nX: a\0\r\n\r\n"s,
           "0\r\nX: a\r\n b\r\n\r\n"s,
           "0\r\nX: a\r\n\n"s,
           "0\r\nGET / HTTP/1.1\r\n\r\n"s,
       }) {
    CHECK(isRefused(text));
  }
  std::string fields;
  for (std::size_t i = 0; i < kMaxTrailers; ++i) {
    fields += "X: y\r\n";
  }
  CHECK(decode("0\r\n" + fields + "\r\n", 100).isLast);
  CHECK(decode("0\r\n" + fields + "X: y\r\n\r\n", 100).isBad);
  CHECK(decode("0\r\nX: " + std::string(kMaxTrailerLine, 'y') + "\r\n\r\n", 1000).isBad);
  const std::string big = "X: " + std::string(6000, 'y') + "\r\n";
  CHECK(decode("0\r\n" + big + big + big + "\r\n", 7000).isBad);
  CHECK(!isTrailerAllowed("TRANSFER-ENCODING"));
  CHECK(!isTrailerAllowed("Set-Cookie"));
  CHECK(!isTrailerAllowed("If-Match"));
  CHECK(isTrailerAllowed("Server-Timing"));
  CHECK(isTrailerAllowed("grpc-status"));
}

TEST("canonical framing is verified whole and nothing else is") {
  const std::string body = "5\r\nhello\r\n1f\r\n" + std::string(31, 'x') + "\r\n0\r\n\r\n";
  ChunkedDecoder decoder;
  const ChunkedDecoder::Verified whole = decoder.verify(body + "GET /next");
  CHECK(whole.state == ParseState::Done);
  CHECK(whole.isLast);
  CHECK_EQ(whole.verifiedBytes, body.size());
  CHECK_EQ(whole.payloadBytes, 36u);
  CHECK(decoder.hasEnded());

  const auto verifiedOf = [](const std::string& text) {
    ChunkedDecoder fresh;
    const ChunkedDecoder::Verified verified = fresh.verify(text);
    CHECK(verified.state == ParseState::Partial);
    return std::to_string(verified.verifiedBytes) + (verified.needsRewrite ? " rewrite" : "");
  };
  CHECK_EQ(verifiedOf("5\r\nhello\r\n5;a=b\r\nhello"), "10 rewrite");
  CHECK_EQ(verifiedOf("5\r\nhello\r\n05\r\nhello"), "10 rewrite");
  CHECK_EQ(verifiedOf("5\r\nhello\r\n0\r\nX-T: y\r\n\r\n"), "10 rewrite");
  CHECK_EQ(verifiedOf("5\r\nhello\r\n00\r\n\r\n"), "10 rewrite");
  CHECK_EQ(verifiedOf("5\r\nhello\r\n0\r\n\r"), "10");
  CHECK_EQ(verifiedOf("5\r\nhello\r\n0"), "10");
  CHECK_EQ(verifiedOf("5\r\nhello\r"), "8");
  CHECK_EQ(verifiedOf("5\r\nhel"), "6");
  CHECK_EQ(verifiedOf("5\r"), "0");
  CHECK_EQ(verifiedOf("5;"), "0 rewrite");
}

TEST("what is forwarded is canonical and holds the same payload, however it was cut") {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    std::string text;
    const auto chunks = random() % 6;
    for (std::size_t i = 0; i < chunks; ++i) {
      const std::size_t size = 1 + random() % 60;
      char chunkHead[kChunkHeadBytes];
      std::string line(chunkHead, writeChunkHead(chunkHead, size));
      if (random() % 4 == 0) {
        line = "0" + line;
      }
      if (random() % 4 == 0) {
        line.insert(line.size() - 2, ";a=\"b\"");
      }
      text += line + std::string(size, static_cast<char>('a' + i)) + "\r\n";
    }
    text += "0\r\n\r\n";
    const std::string payload = decode(text, text.size()).payload;
    for (std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}}) {
      CHECK_EQ(decode(text, piece).payload, payload);
      const Forwarded forwarded = forward(text, piece);
      CHECK(forwarded.isLast && !forwarded.isBad);
      CHECK_EQ(forwarded.consumed, text.size());
      CHECK_EQ(decode(forwarded.text, forwarded.text.size()).payload, payload);
      ChunkedDecoder strict;
      CHECK_EQ(strict.verify(forwarded.text).verifiedBytes, forwarded.text.size());
      CHECK(strict.hasEnded());
    }
  }
}

TEST("once a message is rewritten it is not verified any more") {
  ChunkedDecoder decoder;
  CHECK_EQ(decoder.next("5;a\r\nhel").data, "hel");
  const ChunkedDecoder::Verified verified = decoder.verify("lo\r\n0\r\n\r\n");
  CHECK(verified.needsRewrite);
  CHECK_EQ(verified.verifiedBytes, 0u);
  CHECK_EQ(decoder.next("lo\r\n0\r\n\r\n").data, "lo");
  CHECK(decoder.next("\r\n0\r\n\r\n").isLast);
  CHECK(decoder.verify("").isLast);
}

TEST("payload may be moved past the decoder") {
  ChunkedDecoder decoder;
  const ChunkedDecoder::Verified first = decoder.verify("ff\r\nabc");
  CHECK_EQ(first.verifiedBytes, 7u);
  CHECK_EQ(decoder.remainingInChunk(), 252u);
  decoder.skipPayload(250);
  CHECK_EQ(decoder.remainingInChunk(), 2u);
  CHECK_EQ(decoder.totalPayload(), 253u);
  CHECK_EQ(decoder.verify("xy").payloadBytes, 2u);
  CHECK_EQ(decoder.remainingInChunk(), 0u);
  CHECK(decoder.verify("\r\n0\r\n\r\n").isLast);
  decoder.reset();
  CHECK(!decoder.hasEnded());
  CHECK_EQ(decoder.totalPayload(), 0u);
}

TEST("a failed decoder stays failed and an ended one ended") {
  ChunkedDecoder decoder;
  CHECK(decoder.next("x").state == ParseState::Bad);
  CHECK(decoder.next("0\r\n\r\n").state == ParseState::Bad);
  CHECK(decoder.verify("0\r\n\r\n").state == ParseState::Bad);
  decoder.reset();
  CHECK(decoder.next("0\r\n\r\n").isLast);
  const ChunkedDecoder::Step after = decoder.next("5\r\n");
  CHECK(after.isLast);
  CHECK_EQ(after.consumed, 0u);
}

TEST("chunk heads are written in hex") {
  char out[kChunkHeadBytes];
  const auto written = [&](std::uint64_t size) {
    return std::string(out, writeChunkHead(out, size));
  };
  CHECK_EQ(written(0), "0\r\n");
  CHECK_EQ(written(255), "ff\r\n");
  CHECK_EQ(written(65'536), "10000\r\n");
  CHECK_EQ(written(~std::uint64_t{0}), "ffffffffffffffff\r\n");
}
