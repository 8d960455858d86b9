#include "tls/session.h"

#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "test/net/loopback.h"
#include "test/test.h"
#include "test/tls/authority.h"
#include "tls/client_facts.h"
#include "tls/peer_certificate.h"

using namespace sluice;
using namespace sluice::test;

namespace {

/// Both ends of a TLS connection on one loop.
class Pair : public Turning {
 public:
  explicit Pair(const plan::ServerTls& server = servingSite(),
                const plan::ClientTls& client = trustingAuthority(),
                const std::string& name = "site.example")
      : domain_(tls::Domain::make()) {
    CHECK(keys_.begin(loop().nowMs() / 1000, 100));
    std::string problem;
    server_ = tls::ServerContext::make(domain_, server, "web", keys_, problem);
    CHECK_EQ(problem, "");
    const auto context = tls::ClientContext::make(domain_, client, problem);
    CHECK_EQ(problem, "");
    target_ = std::make_shared<tls::TargetTls>(context, name);
    open();
  }
  ~Pair() { close(); }

  /// A new connection with what the old one left behind.
  void open() {
    close();
    near = Listening();
    far = Listening();
    Connection made = connectLoopback();
    CHECK_EQ(::fcntl(made.far.get(), F_SETFL, O_NONBLOCK), 0);
    nearStream = std::make_unique<net::Stream>(loop(), near);
    farStream = std::make_unique<net::Stream>(loop(), far);
    CHECK(nearStream->adopt(std::move(made.near)).has_value());
    farFd = made.far.get();
    CHECK(farStream->adopt(std::move(made.far)).has_value());
    accepted = tls::Session::accept(*nearStream, server_);
    nearStream->startReceive();
    connected = tls::Session::connect(*farStream, target_);
    CHECK(accepted != nullptr && connected != nullptr);
  }
  void close() {
    if (nearStream != nullptr) {
      nearStream->close();
      farStream->close();
      turn();
    }
  }
  void shake() {
    until("both handshakes", [&] { return near.outcome && far.outcome; });
    farStream->startReceive();
  }

  // Near: the server's end. Far: the client's.
  Listening near;
  Listening far;
  std::unique_ptr<net::Stream> nearStream;
  std::unique_ptr<net::Stream> farStream;
  tls::Session* accepted = nullptr;
  tls::Session* connected = nullptr;
  int farFd = -1;

 private:
  std::shared_ptr<tls::Domain> domain_;
  tls::TicketKeys keys_;
  std::shared_ptr<tls::ServerContext> server_;
  std::shared_ptr<tls::TargetTls> target_;
};

void exchangeWords(Pair& pair) {
  CHECK_EQ(pair.farStream->send("question").taken, 8U);
  pair.until("the question", [&] { return pair.near.received == "question"; });
  CHECK_EQ(pair.nearStream->send("answer").taken, 6U);
  pair.until("the answer", [&] { return pair.far.received == "answer"; });
}

/// Sends all of `text` from one end, with the other end stopping time and again.
void moveAll(Pair& pair, net::Stream& from, Listening& sender, net::Stream& to, Listening& receiver,
             std::string_view text) {
  std::string_view left = text;
  int rooms = sender.rooms;
  left.remove_prefix(from.send(left).taken);
  int round = 0;
  while (receiver.received.size() < text.size() && round++ < 20'000) {
    if (!left.empty() && sender.rooms > rooms) {
      rooms = sender.rooms;
      left.remove_prefix(from.send(left).taken);
    }
    if (round % 3 == 0) {
      to.stopReceive();
    } else {
      to.startReceive();
    }
    pair.turn();
  }
  CHECK(receiver.received == text);
}

} // namespace

TEST("a handshake stands, and words go both ways") {
  Pair pair;
  pair.shake();
  CHECK(pair.near.outcome == Errc::None);
  CHECK(pair.far.outcome == Errc::None);
  CHECK_EQ(pair.accepted->serverName(), "site.example");
  exchangeWords(pair);
}

TEST("TLS 1.2 is spoken where it is the newest allowed") {
  plan::ServerTls terms = servingSite();
  terms.terms.maxVersion = 0x0303;
  Pair pair(terms);
  pair.shake();
  exchangeWords(pair);
}

TEST("megabytes arrive whole in both directions, whatever the receiver's pauses") {
  Pair pair;
  pair.shake();
  const std::string text = pattern(4'000'000);
  moveAll(pair, *pair.farStream, pair.far, *pair.nearStream, pair.near, text);
  moveAll(pair, *pair.nearStream, pair.near, *pair.farStream, pair.far, text);
}

TEST("small parts share a record, large ones are cut into several") {
  Pair pair;
  pair.shake();
  const std::string large = pattern(50'000);
  const std::array<iovec, 4> parts{
      iovec{const_cast<char*>("a"), 1}, iovec{const_cast<char*>("bc"), 2},
      iovec{const_cast<char*>(large.data()), large.size()}, iovec{const_cast<char*>("d"), 1}};
  CHECK_EQ(pair.nearStream->send(parts).taken, large.size() + 4);
  pair.until("all parts", [&] { return pair.far.received.size() == large.size() + 4; });
  CHECK(pair.far.received == "abc" + large + "d");
}

TEST("an end that was said is an end, and the other direction goes on") {
  Pair pair;
  pair.shake();
  pair.farStream->shutdownSend();
  pair.until("the end", [&] { return pair.near.end.has_value(); });
  CHECK(pair.near.end == net::StreamEnd::Eof);
  CHECK_EQ(pair.nearStream->send("still here").taken, 10U);
  pair.until("the rest", [&] { return pair.far.received == "still here"; });
}

TEST("a connection that ends without close_notify was cut") {
  Pair pair;
  pair.shake();
  CHECK_EQ(::shutdown(pair.farFd, SHUT_WR), 0);
  pair.until("the end", [&] { return pair.near.end.has_value(); });
  CHECK(pair.near.end == net::StreamEnd::Truncated);
}

TEST("closing says goodbye, and what was taken still arrives") {
  Pair pair;
  pair.shake();
  const std::string text = pattern(1'000'000);
  pair.farStream->stopReceive();
  std::string taken;
  for (std::size_t last = text.size(); last == text.size() && taken.size() < 64 * text.size();) {
    last = pair.nearStream->send(text).taken;
    taken += text.substr(0, last);
  }
  CHECK(taken.size() % text.size() != 0);
  pair.nearStream->close();
  pair.farStream->startReceive();
  pair.until("the end", [&] { return pair.far.end.has_value(); });
  CHECK(pair.far.end == net::StreamEnd::Eof);
  CHECK(pair.far.received == taken);
}

TEST("an aborted connection does not say goodbye") {
  Pair pair;
  pair.shake();
  pair.nearStream->abort();
  pair.until("the end", [&] { return pair.far.end.has_value(); });
  CHECK(pair.far.end == net::StreamEnd::Reset);
}

TEST("an end and its last bytes wait until they are wanted") {
  Pair pair;
  pair.shake();
  pair.nearStream->stopReceive();
  CHECK_EQ(pair.farStream->send("last words").taken, 10U);
  pair.farStream->shutdownSend();
  pair.settle();
  CHECK_EQ(pair.near.received, "");
  CHECK(!pair.near.end);
  pair.nearStream->startReceive();
  pair.until("the end", [&] { return pair.near.end.has_value(); });
  CHECK_EQ(pair.near.received, "last words");
  CHECK(pair.near.end == net::StreamEnd::Eof);
}

TEST("an owner that closes while it receives is left alone") {
  Pair pair;
  pair.shake();
  pair.near.onBytes = [](Listening&, net::Stream& stream) { stream.close(); };
  CHECK_EQ(pair.farStream->send(pattern(40'000)).taken, 40'000U);
  pair.until("the close", [&] { return !pair.nearStream->isOpen(); });
  pair.settle();
  CHECK_EQ(pair.near.ends, 0);
}

TEST("an owner that stops in the middle gets the rest later") {
  Pair pair;
  pair.shake();
  pair.near.onBytes = [](Listening&, net::Stream& stream) { stream.stopReceive(); };
  const std::string text = pattern(200'000);
  CHECK_EQ(pair.farStream->send(text).taken, text.size());
  for (int i = 0; i < 1000 && pair.near.received.size() < text.size(); ++i) {
    pair.nearStream->startReceive();
    pair.turn();
  }
  CHECK(pair.near.received == text);
}

TEST("sessions are resumed with tickets, and not where they are off") {
  for (const int version : {0x0303, 0x0304}) {
    plan::ServerTls terms = servingSite();
    terms.terms.maxVersion = static_cast<std::uint16_t>(version);
    Pair pair(terms);
    pair.shake();
    CHECK(!pair.accepted->isResumed());
    exchangeWords(pair);
    pair.open();
    pair.shake();
    CHECK(pair.accepted->isResumed());
    CHECK(pair.connected->isResumed());
    exchangeWords(pair);
  }
  plan::ServerTls terms = servingSite();
  terms.sessionTickets = false;
  Pair pair(terms);
  pair.shake();
  exchangeWords(pair);
  pair.open();
  pair.shake();
  CHECK(!pair.accepted->isResumed());
}

TEST("a target is believed only with a certificate that leads to a known CA and names it") {
  const Identity stranger({.commonName = "site.example", .names = "DNS:site.example"});
  plan::ServerTls terms = servingSite();
  terms.certificates = {stranger.planned()};
  Pair unknown(terms);
  unknown.shake();
  CHECK(unknown.far.outcome == Errc::UpstreamCertificateRejected);

  Pair misnamed(servingSite(), trustingAuthority(), "other.example");
  misnamed.shake();
  CHECK(misnamed.far.outcome == Errc::UpstreamCertificateRejected);

  const Identity old({.commonName = "s", .names = "DNS:site.example", .notAfter = -60},
                     &authority());
  terms.certificates = {old.planned()};
  Pair expired(terms);
  expired.shake();
  CHECK(expired.far.outcome == Errc::UpstreamCertificateRejected);

  const Identity numbered({.commonName = "s", .names = "IP:127.0.0.1"}, &authority());
  terms.certificates = {numbered.planned()};
  Pair address(terms, trustingAuthority(), "127.0.0.1");
  address.shake();
  CHECK(address.far.outcome == Errc::None);
}

TEST("a pinned fingerprint must be the target's, with verification or without") {
  const std::string digits = tls::describe(site().certificate(), CertificateField::Fingerprint);
  plan::ClientTls terms = trustingAuthority();
  terms.fingerprints = {std::string(64, '0'), digits};
  Pair right(servingSite(), terms);
  right.shake();
  CHECK(right.far.outcome == Errc::None);
  terms.fingerprints = {std::string(64, '0')};
  terms.verify = false;
  Pair wrong(servingSite(), terms);
  wrong.shake();
  CHECK(wrong.far.outcome == Errc::UpstreamCertificateRejected);
}

TEST("clients are asked for certificates, and what they show is told") {
  const Identity alice({.commonName = "alice", .names = "DNS:alice.example,email:a@b.example"},
                       &authority());
  plan::ServerTls terms = servingSite();
  terms.clientMode = ClientCertificateMode::Require;
  terms.clientCa = authority().pem();
  terms.clientHeaders = {{CertificateField::Subject, "X-Subject"},
                         {CertificateField::Verified, "X-Verified"},
                         {CertificateField::Names, "X-Names"}};
  plan::ClientTls client = trustingAuthority();
  client.certificate = {alice.planned()};
  Pair pair(terms, client);
  pair.shake();
  CHECK(pair.near.outcome == Errc::None);
  const auto facts = tls::describeClient(*pair.accepted, terms);
  CHECK(facts->isVerified);
  CHECK_EQ(facts->commonName, "alice");
  CHECK_EQ(facts->edits[0].value, "CN=alice");
  CHECK_EQ(facts->edits[1].value, "1");
  CHECK_EQ(facts->edits[2].value, "DNS:alice.example, email:a@b.example");

  Pair without(terms);
  without.until("the refusal", [&] { return without.near.outcome.has_value(); });
  CHECK(without.near.outcome == Errc::ClientCertificateRejected);

  const Identity mallory({.commonName = "alice"});
  client.certificate = {mallory.planned()};
  Pair forged(terms, client);
  forged.until("the refusal", [&] { return forged.near.outcome.has_value(); });
  CHECK(forged.near.outcome == Errc::ClientCertificateRejected);

  terms.clientMode = ClientCertificateMode::Request;
  Pair asked(terms);
  asked.shake();
  CHECK(asked.near.outcome == Errc::None);
  const auto nobody = tls::describeClient(*asked.accepted, terms);
  CHECK(!nobody->isVerified);
  CHECK(nobody->edits[0].op == EditOp::Remove);
  CHECK_EQ(nobody->edits[1].value, "0");
}

TEST("names choose certificates: exact, one label of a wildcard, else the first") {
  const Identity wild({.commonName = "wild", .names = "DNS:*.wild.example"}, &authority());
  plan::ServerTls terms = servingSite();
  terms.certificates.push_back(wild.planned());
  terms.identities = {{0}, {1}};
  terms.names.push_back({"*.wild.example", 1});
  const auto serves = [&](const char* name) {
    plan::ClientTls client = trustingAuthority();
    client.verify = false;
    Pair pair(terms, client, name);
    pair.shake();
    return tls::commonName(pair.connected->peerCertificate());
  };
  CHECK_EQ(serves("a.wild.example"), "wild");
  CHECK_EQ(serves("A.WILD.example"), "wild");
  CHECK_EQ(serves("site.example"), "site.example");
  CHECK_EQ(serves("a.b.wild.example"), "site.example");
  CHECK_EQ(serves("wild.example"), "site.example");

  terms.rejectsUnknownNames = true;
  Pair rejected(terms, trustingAuthority(), "nobody.example");
  rejected.shake();
  CHECK(rejected.near.outcome == Errc::TlsNameUnknown);
  CHECK(rejected.far.outcome == Errc::UpstreamTlsFailed);
  Pair known(terms);
  known.shake();
  CHECK(known.accepted->mayAskFor("SITE.example."));
  CHECK(known.accepted->mayAskFor("x.wild.example"));
  CHECK(!known.accepted->mayAskFor("other.example"));
}

TEST("plain HTTP, garbage and an early end are told apart from TLS") {
  const auto sends = [](std::string_view bytes, bool isEnding) {
    Turning turning;
    const auto domain = tls::Domain::make();
    tls::TicketKeys keys;
    CHECK(keys.begin(0, 10));
    std::string problem;
    const auto context = tls::ServerContext::make(domain, servingSite(), "web", keys, problem);
    Connection made = connectLoopback();
    const Far far(std::move(made.far));
    Listening owner;
    net::Stream stream(turning.loop(), owner);
    CHECK(stream.adopt(std::move(made.near)).has_value());
    CHECK(tls::Session::accept(stream, context) != nullptr);
    stream.startReceive();
    far.send(bytes);
    if (isEnding) {
      far.finish();
    }
    turning.until("the refusal", [&] { return owner.outcome.has_value(); });
    stream.close();
    turning.turn();
    return *owner.outcome;
  };
  CHECK(sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false) == Errc::PlainOnTls);
  CHECK(sends("this is something else altogether", false) == Errc::TlsHandshakeFailed);
  CHECK(sends(std::string(70'000, '\x16'), false) == Errc::TlsHandshakeFailed);
  CHECK(sends("\x16\x03\x01", true) == Errc::TlsHandshakeFailed);
}

TEST("contexts are refused with the reason") {
  const auto domain = tls::Domain::make();
  tls::TicketKeys keys;
  CHECK(keys.begin(0, 10));
  const auto problemOf = [&](const std::function<void(plan::ServerTls&)>& spoil) {
    plan::ServerTls terms = servingSite();
    spoil(terms);
    std::string problem;
    CHECK(tls::ServerContext::make(domain, terms, "web", keys, problem) == nullptr);
    return problem;
  };
  const Identity other({.commonName = "other"});
  CHECK_EQ(problemOf([](auto& terms) { terms.certificates[0].chain = "nothing"; }),
           "test: not a certificate in PEM");
  CHECK_EQ(problemOf([](auto& terms) { terms.certificates[0].key = "nothing"; }),
           "test: its key is not an unencrypted private key in PEM");
  CHECK_EQ(problemOf([&](auto& terms) { terms.certificates[0].key = other.keyPem(); }),
           "test: private key mismatch");
  CHECK(problemOf([](auto& terms) {
          terms.terms.ciphers = "NOTHING";
        }).starts_with("the TLS versions, ciphers or curves"));
}
