#include "relay/access_log.h"

#include <array>
#include <cstring>

namespace sluice::relay {

namespace {

/// Longest text of a field; what is longer is cut.
constexpr std::size_t kMaxText = 2048;

class JsonLine {
 public:
  /// An empty value is null. `more` is appended to the value.
  void text(std::string_view key, std::string_view value, std::string_view more = {}) noexcept {
    beginField(key);
    if (value.empty()) {
      raw("null");
      return;
    }
    put('"');
    for (const std::string_view part : {value, more}) {
      for (const char c : part.substr(0, kMaxText)) {
        escape(static_cast<unsigned char>(c));
      }
    }
    put('"');
  }
  void null(std::string_view key) noexcept {
    beginField(key);
    raw("null");
  }
  void number(std::string_view key, std::uint64_t value) noexcept {
    beginField(key);
    digits(value, 1);
  }
  /// Milliseconds with three decimals.
  void millis(std::string_view key, std::uint64_t ns) noexcept {
    beginField(key);
    digits(ns / 1'000'000, 1);
    put('.');
    digits(ns / 1000 % 1000, 3);
  }
  /// ISO 8601 in UTC with milliseconds.
  void time(std::string_view key, std::uint64_t unixMs) noexcept {
    const std::uint64_t seconds = unixMs / 1000;
    // Days to date by the civil calendar (H. Hinnant, "chrono-compatible low-level date
    // algorithms").
    const std::uint64_t days = seconds / 86'400 + 719'468;
    const std::uint64_t era = days / 146'097;
    const std::uint64_t dayOfEra = days % 146'097;
    const std::uint64_t yearOfEra =
        (dayOfEra - dayOfEra / 1460 + dayOfEra / 36'524 - dayOfEra / 146'096) / 365;
    const std::uint64_t dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
    const std::uint64_t shifted = (5 * dayOfYear + 2) / 153;
    const std::uint64_t day = dayOfYear - (153 * shifted + 2) / 5 + 1;
    const std::uint64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    const std::uint64_t year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
    beginField(key);
    put('"');
    digits(year, 4);
    put('-');
    digits(month, 2);
    put('-');
    digits(day, 2);
    put('T');
    digits(seconds / 3600 % 24, 2);
    put(':');
    digits(seconds / 60 % 60, 2);
    put(':');
    digits(seconds % 60, 2);
    put('.');
    digits(unixMs % 1000, 3);
    put('Z');
    put('"');
  }
  [[nodiscard]] std::string_view finish() noexcept {
    put('}');
    put('\n');
    return {bytes_.data(), size_};
  }

 private:
  void beginField(std::string_view key) noexcept {
    put(size_ == 0 ? '{' : ',');
    put('"');
    raw(key);
    raw("\":");
  }
  void raw(std::string_view text) noexcept {
    for (const char c : text) {
      put(c);
    }
  }
  void escape(unsigned char c) noexcept {
    constexpr std::string_view kHex = "0123456789abcdef";
    if (c == '"' || c == '\\') {
      put('\\');
      put(static_cast<char>(c));
    } else if (c < 0x20 || c >= 0x7f) {
      // Bytes beyond ASCII as Latin-1, so that the line is valid JSON whatever a client sent.
      for (const char part : {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]}) {
        put(part);
      }
    } else {
      put(static_cast<char>(c));
    }
  }
  void digits(std::uint64_t value, unsigned width) noexcept {
    char reversed[20];
    unsigned count = 0;
    do {
      reversed[count++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    for (unsigned i = count; i < width; ++i) {
      put('0');
    }
    while (count > 0) {
      put(reversed[--count]);
    }
  }
  void put(char c) noexcept {
    if (size_ < bytes_.size()) {
      bytes_[size_++] = c;
    }
  }

  // Eight texts, each byte at most six characters, and the rest.
  std::array<char, 8 * kMaxText * 6 + 2048> bytes_;
  std::size_t size_ = 0;
};

} // namespace

void writeLog(Context& context, std::uint16_t log, plan::StatShard& listener,
              const LogRecord& record) noexcept {
  char client[64];
  const std::size_t clientLength = record.client.format(client);
  JsonLine line;
  line.time("time", context.loop.wallMs());
  line.text("client", {client, clientLength});
  line.text("listener", record.listener);
  if (record.isHttp) {
    line.text("route", record.route);
    line.text("method", record.method);
    line.text("host", record.host);
    line.text("path", record.path, record.query);
    if (record.isForward) {
      line.text("user", record.user);
      line.text("destination", record.destination);
    }
    if (record.status != 0) {
      line.number("status", record.status);
    } else {
      line.null("status");
    }
  }
  line.number("bytesIn", record.bytesIn);
  line.number("bytesOut", record.bytesOut);
  line.millis("durationMs", record.durationNs);
  if (record.upstreamNs != 0) {
    line.millis("upstreamMs", record.upstreamNs);
  } else if (record.isHttp) {
    line.null("upstreamMs");
  }
  line.text("target", record.target);
  line.text("error", record.error == Errc::None ? std::string_view() : errcInfo(record.error).name);
  if (!context.log.push(log, line.finish())) {
    listener.add(Counter::LogDropped);
  }
}

} // namespace sluice::relay
