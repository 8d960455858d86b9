// The chunked coding: however it is cut, the same payload; the verifying way and the rewriting way
// agree; and what is forwarded is canonical. The first byte says how long the pieces are.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "http/chunked.h"

using namespace sluice;
using namespace sluice::http;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

struct Outcome {
  std::string payload;
  std::string trailers;
  /// As forwarded, trailers left out.
  std::string forwarded;
  std::size_t consumed = 0;
  bool isBad = false;
  bool isLast = false;
};

void takeAll(ChunkedDecoder& decoder, std::string_view rest, Outcome& out) {
  while (!out.isBad && !out.isLast) {
    const ChunkedDecoder::Step step = decoder.next(rest);
    require(step.consumed <= rest.size());
    rest.remove_prefix(step.consumed);
    out.consumed += step.consumed;
    out.isBad = step.state == ParseState::Bad;
    out.isLast = step.isLast;
    if (!step.data.empty()) {
      char head[kChunkHeadBytes];
      out.payload += step.data;
      out.forwarded += std::string_view(head, writeChunkHead(head, step.data.size()));
      out.forwarded += step.data;
      out.forwarded += kChunkEnd;
    }
    out.trailers += step.trailerName;
    out.trailers += step.trailerValue;
    if (step.state != ParseState::Done) {
      return;
    }
  }
  out.forwarded += out.isLast ? kLastChunk : "";
}

Outcome run(std::string_view input, std::size_t piece, bool verifies) {
  ChunkedDecoder decoder;
  Outcome out;
  std::size_t known = 0;
  while (known < input.size() && !out.isBad && !out.isLast) {
    known = known + piece < input.size() ? known + piece : input.size();
    // A copy of its own, so that the sanitizer sees a look past the end.
    const std::vector<char> copy(input.begin() + static_cast<std::ptrdiff_t>(out.consumed),
                                 input.begin() + static_cast<std::ptrdiff_t>(known));
    const std::string_view rest(copy.data(), copy.size());
    if (!verifies) {
      takeAll(decoder, rest, out);
      continue;
    }
    const ChunkedDecoder::Verified verified = decoder.verify(rest);
    require(verified.verifiedBytes <= rest.size());
    out.forwarded += rest.substr(0, verified.verifiedBytes);
    out.consumed += verified.verifiedBytes;
    out.isBad = verified.state == ParseState::Bad;
    out.isLast = verified.isLast;
    if (verified.needsRewrite && !out.isBad) {
      takeAll(decoder, rest.substr(verified.verifiedBytes), out);
    }
  }
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  // RULE: libFuzzer hands over bytes as uint8_t, the parsers read char.
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const Outcome whole = run(input, input.size() + 1, false);
  const Outcome cut = run(input, 1 + data[0] % 64, false);
  const Outcome verified = run(input, 1 + data[0] % 64, true);
  require(whole.isLast == cut.isLast && whole.isLast == verified.isLast);
  require(whole.isBad == cut.isBad && whole.isBad == verified.isBad);
  if (whole.isLast) {
    require(whole.payload == cut.payload && whole.trailers == cut.trailers);
    require(whole.consumed == cut.consumed && whole.consumed == verified.consumed);
    for (const std::string& forwarded : {cut.forwarded, verified.forwarded}) {
      require(run(forwarded, forwarded.size(), false).payload == whole.payload);
      ChunkedDecoder strict;
      require(strict.verify(forwarded).verifiedBytes == forwarded.size() && strict.hasEnded());
    }
  }
  return 0;
}
