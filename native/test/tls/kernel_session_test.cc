// Sessions whose records the kernel seals. Where it does not, what is tested is that they go on as before; the suite of
// test/kernel runs this where it does.
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "net/pump.h"
#include "test/net/loopback.h"
#include "test/test.h"
#include "test/tls/authority.h"
#include "tls/session.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr std::uint64_t kMuch = 1024 * 1024;

const net::KernelTls& kernel() {
  static const net::KernelTls found = net::probeKernelTls();
  return found;
}

/// A session of ours on a stream, with a client of OpenSSL's own at the far end.
class Opposite : public Turning {
 public:
  /// `fragment`: the size of records that the client asks for, as the extension carries it.
  explicit Opposite(const plan::TlsTerms& terms = usualTerms(),
                    std::uint8_t fragment = TLSEXT_max_fragment_length_DISABLED)
      : domain_(tls::Domain::make()), context_(SSL_CTX_new(TLS_client_method())) {
    plan::ServerTls serving = servingSite();
    serving.terms = terms;
    CHECK(keys_.begin(loop().nowMs() / 1000, 100));
    std::string problem;
    server_ = tls::ServerContext::make(domain_, serving, "web", keys_, problem);
    CHECK_EQ(problem, "");
    Connection made = connectLoopback();
    CHECK_EQ(::fcntl(made.far.get(), F_SETFL, O_NONBLOCK), 0);
    fd_ = std::move(made.far);
    ssl_.reset(SSL_new(context_.get()));
    CHECK_EQ(SSL_set_tlsext_max_fragment_length(ssl_.get(), fragment), 1);
    SSL_set_fd(ssl_.get(), fd_.get());
    stream = std::make_unique<net::Stream>(loop(), near);
    CHECK(stream->adopt(std::move(made.near)).has_value());
    CHECK(tls::Session::accept(*stream, server_) != nullptr);
    stream->startReceive();
    until("the handshake", [&] { return SSL_connect(ssl_.get()) == 1 && near.outcome; });
    CHECK(near.outcome == Errc::None);
  }
  ~Opposite() {
    stream->close();
    turn();
  }

  /// As far as there is something to read; keeps how it ended.
  void read() {
    std::array<char, 16384> into{};
    for (;;) {
      const int got = SSL_read(ssl_.get(), into.data(), into.size());
      if (got <= 0) {
        const int error = SSL_get_error(ssl_.get(), got);
        hasEnded = hasEnded || error == SSL_ERROR_ZERO_RETURN;
        isBroken = isBroken || error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
        ERR_clear_error();
        return;
      }
      received.append(into.data(), static_cast<std::size_t>(got));
    }
  }
  void write(std::string_view text) {
    CHECK_EQ(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())),
             static_cast<int>(text.size()));
  }
  void untilReceived(std::size_t bytes) {
    until("what was sent", [&] {
      read();
      return received.size() >= bytes || hasEnded || isBroken;
    });
  }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  void closeFar() { fd_.reset(); }

  Listening near;
  std::unique_ptr<net::Stream> stream;
  std::string received;
  bool hasEnded = false;
  bool isBroken = false;

 private:
  std::shared_ptr<tls::Domain> domain_;
  tls::TicketKeys keys_;
  std::shared_ptr<tls::ServerContext> server_;
  tls::SslContext context_;
  UniqueFd fd_;
  tls::Ssl ssl_;
};

/// More than the buffers of a connection hold. Made before a loop is, whose clock stands still meanwhile.
const std::string& much() {
  static const std::string made = pattern(12 * 1024 * 1024);
  return made;
}

struct Suite {
  std::uint16_t version;
  const char* cipher;
  net::SealCipher sealed;
};
constexpr std::array kSuites{
    Suite{0x0304, "TLS_AES_128_GCM_SHA256", net::SealCipher::Aes128Gcm},
    Suite{0x0304, "TLS_AES_256_GCM_SHA384", net::SealCipher::Aes256Gcm},
    Suite{0x0304, "TLS_CHACHA20_POLY1305_SHA256", net::SealCipher::ChaCha20Poly1305},
    Suite{0x0303, "ECDHE-ECDSA-AES128-GCM-SHA256", net::SealCipher::Aes128Gcm},
    Suite{0x0303, "ECDHE-ECDSA-AES256-GCM-SHA384", net::SealCipher::Aes256Gcm},
    Suite{0x0303, "ECDHE-ECDSA-CHACHA20-POLY1305", net::SealCipher::ChaCha20Poly1305},
};

plan::TlsTerms only(const Suite& suite) {
  plan::TlsTerms terms = usualTerms();
  terms.minVersion = terms.maxVersion = suite.version;
  (suite.version == 0x0304 ? terms.cipherSuites : terms.ciphers) = suite.cipher;
  return terms;
}

bool isTaken(const Suite& suite) {
  return kernel().isOffered() && kernel().takes[static_cast<std::size_t>(suite.sealed)];
}

void sendAll(Opposite& both, std::string_view text) {
  int rooms = both.near.rooms;
  text.remove_prefix(both.stream->send(text).taken);
  both.until("room for all", [&] {
    both.read();
    if (!text.empty() && both.near.rooms > rooms) {
      rooms = both.near.rooms;
      text.remove_prefix(both.stream->send(text).taken);
    }
    return text.empty();
  });
}

/// Changes over; what was said before and what is said behind arrives either way.
void changeOver(Opposite& both, bool isExpected = kernel().isOffered()) {
  sendAll(both, "before ");
  CHECK_EQ(both.stream->takesSplice(kMuch), isExpected);
}

class Ending final : public net::PumpOwner {
 public:
  std::uint64_t bytes = 0;
  std::optional<net::PumpEnd> end;

 private:
  void onPumped(net::Pump&, std::size_t moved) noexcept override { bytes += moved; }
  void onPumpEnd(net::Pump&, net::PumpEnd how) noexcept override { end = how; }
};

} // namespace

TEST("kTLS: the kernel takes over what a session sends, whatever the cipher, and not what it "
     "receives") {
  const std::string large = much().substr(0, 3 * 1024 * 1024);
  for (const Suite& suite : kSuites) {
    Opposite both(only(suite));
    changeOver(both, isTaken(suite));
    sendAll(both, "behind");
    both.untilReceived(13);
    CHECK_EQ(both.received, "before behind");
    both.write("question");
    both.until("the question", [&] { return both.near.received == "question"; });
    sendAll(both, large);
    both.untilReceived(13 + large.size());
    CHECK(both.received.substr(13) == large);
    both.stream->shutdownSend();
    both.until("the end", [&] {
      both.read();
      return both.hasEnded;
    });
    CHECK(!both.isBroken);
    both.write("still");
    both.until("the rest", [&] { return both.near.received == "questionstill"; });
    SSL_shutdown(both.ssl());
    both.until("the other end", [&] { return both.near.end.has_value(); });
    CHECK(both.near.end == net::StreamEnd::Eof);
  }
}

TEST("kTLS: what is little, and what a client wants in small records, stays above") {
  Opposite both;
  sendAll(both, "before ");
  CHECK(!both.stream->takesSplice(1000));
  Opposite small(usualTerms(), TLSEXT_max_fragment_length_1024);
  changeOver(small, false);
  for (Opposite* one : {&both, &small}) {
    sendAll(*one, "behind");
    one->untilReceived(13);
    CHECK_EQ(one->received, "before behind");
  }
}

TEST("kTLS: what is spliced into a session arrives whole, at any pace, and messages behind it") {
  if (!kernel().isOffered()) {
    return;
  }
  const std::string body = much().substr(0, 6 * 1024 * 1024);
  Opposite both;
  changeOver(both);
  Listening fed;
  Connection feed = connectLoopback();
  Far feeder(std::move(feed.far));
  net::Stream source(both.loop(), fed);
  CHECK(source.adopt(std::move(feed.near)).has_value());
  net::PipePool pipes;
  Ending ending;
  net::Pump pump(pipes, ending);
  pump.start(source, *both.stream, body.size());
  std::string_view left = body;
  int round = 0;
  both.until("the body", [&] {
    left.remove_prefix(feeder.sendSome(left.substr(0, 300'000)));
    if (++round % 7 == 0) {
      both.read();
    }
    return ending.end.has_value();
  });
  CHECK(ending.end == net::PumpEnd::Limit);
  CHECK_EQ(ending.bytes, body.size());
  sendAll(both, " and more");
  both.untilReceived(7 + body.size() + 9);
  CHECK(both.received == "before " + body + " and more");
  source.close();
}

TEST("kTLS: who closes with much unread says goodbye all the same, behind all that was taken") {
  const std::string& all = much();
  Opposite both;
  changeOver(both);
  const std::size_t taken = both.stream->send(all).taken;
  CHECK(taken > 0);
  both.stream->close();
  both.until("the end", [&] {
    both.read();
    return both.hasEnded || both.isBroken;
  });
  CHECK(both.hasEnded);
  CHECK(both.received == "before " + all.substr(0, taken));
}

TEST("kTLS: an end that was said with much unread waits for it") {
  const std::string& all = much();
  Opposite both;
  changeOver(both);
  const std::size_t taken = both.stream->send(all).taken;
  both.stream->shutdownSend();
  both.settle();
  both.until("the end", [&] {
    both.read();
    return both.hasEnded || both.isBroken;
  });
  CHECK(both.hasEnded);
  CHECK(both.received == "before " + all.substr(0, taken));
}

TEST("kTLS: a key update is answered with new keys, or ends the connection where the kernel takes "
     "none") {
  const std::string& all = much();
  for (const bool isBusy : {false, true}) {
    Opposite both;
    changeOver(both);
    std::string expected = "before ";
    if (isBusy) {
      expected += all.substr(0, both.stream->send(all).taken);
    }
    CHECK_EQ(SSL_key_update(both.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    both.write("question");
    both.until("the question",
               [&] { return both.near.received == "question" || both.near.end.has_value(); });
    const bool goesOn = !kernel().isOffered() || kernel().takesNewKeys;
    if (goesOn) {
      if (isBusy) {
        both.untilReceived(expected.size());
      }
      sendAll(both, "answer");
      both.untilReceived(expected.size() + 6);
      CHECK(both.received == expected + "answer");
      CHECK(!both.near.end.has_value());
    } else {
      both.until("the end", [&] {
        both.read();
        return (both.hasEnded || both.isBroken) && both.near.end.has_value();
      });
      CHECK(both.hasEnded);
      CHECK(both.received == expected);
      CHECK(both.near.end == net::StreamEnd::Reset);
      CHECK(both.stream->send("more").isFailed);
    }
  }
}

TEST("kTLS: a key update from before the kernel took over is followed") {
  Opposite both;
  CHECK_EQ(SSL_key_update(both.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  both.write("question");
  both.until("the question", [&] { return both.near.received == "question"; });
  changeOver(both);
  sendAll(both, "behind");
  both.untilReceived(13);
  CHECK_EQ(both.received, "before behind");
}

TEST("kTLS: a record that is not whole is answered with an alert that the kernel seals") {
  Opposite both;
  changeOver(both);
  const std::string garbage = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
  CHECK_EQ(::write(both.fd(), garbage.data(), garbage.size()),
           static_cast<ssize_t>(garbage.size()));
  both.until("the end", [&] { return both.near.end.has_value(); });
  int code = 0;
  both.until("the alert", [&] {
    char byte = 0;
    const int got = SSL_read(both.ssl(), &byte, 1);
    if (got <= 0 && SSL_get_error(both.ssl(), got) == SSL_ERROR_SSL) {
      code = ERR_GET_REASON(ERR_peek_last_error());
    }
    ERR_clear_error();
    return code != 0;
  });
  CHECK_EQ(code, SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
}
