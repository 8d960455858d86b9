// Sessions beside an OpenSSL that does what ours never does: it splits its messages, throws tickets away,
// forges certificates.
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "test/net/loopback.h"
#include "test/test.h"
#include "test/tls/authority.h"
#include "tls/peer_certificate.h"
#include "tls/session.h"

using namespace sluice;
using namespace sluice::test;

namespace {

std::shared_ptr<tls::ServerContext> serving(const std::shared_ptr<tls::Domain>& domain,
                                            const plan::ServerTls& terms,
                                            const tls::TicketKeys& keys) {
  std::string problem;
  auto made = tls::ServerContext::make(domain, terms, "web", keys, problem);
  CHECK_EQ(problem, "");
  return made;
}

std::shared_ptr<tls::TargetTls> reaching(const std::shared_ptr<tls::Domain>& domain,
                                         const plan::ClientTls& terms) {
  std::string problem;
  const auto made = tls::ClientContext::make(domain, terms, problem);
  CHECK_EQ(problem, "");
  return std::make_shared<tls::TargetTls>(made, "site.example");
}

/// What one connection with OpenSSL at its other end may do. `context` is the other end's.
class Beside : public Turning {
 public:
  explicit Beside(SSL_CTX* context) : ssl_(SSL_new(context)) {
    Connection made = connectLoopback();
    far_ = std::make_unique<Far>(std::move(made.far));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    stream = std::make_unique<net::Stream>(loop(), owner);
    CHECK(stream->adopt(std::move(made.near)).has_value());
  }
  ~Beside() {
    stream->close();
    turn();
  }

  void accept(const std::shared_ptr<tls::ServerContext>& context) {
    SSL_set_connect_state(ssl_.get());
    session = tls::Session::accept(*stream, context);
    stream->startReceive();
  }
  void connect(const std::shared_ptr<tls::TargetTls>& target) {
    SSL_set_accept_state(ssl_.get());
    session = tls::Session::connect(*stream, target);
  }
  void shake() {
    until("both handshakes", [&] {
      work();
      return owner.outcome && (SSL_is_init_finished(ssl_.get()) != 0 || hasFailed);
    });
  }
  /// Both ends work off what is under way.
  void work() {
    turn();
    feed();
    char byte = 0;
    const int result = SSL_is_init_finished(ssl_.get()) != 0 ? SSL_peek(ssl_.get(), &byte, 1)
                                                             : SSL_do_handshake(ssl_.get());
    hasFailed = result <= 0 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_SSL;
    ERR_clear_error();
    if (!isHolding || SSL_is_init_finished(ssl_.get()) == 0) {
      push();
    }
  }
  /// What the other end has received so far.
  std::string read() {
    std::array<char, 4096> into;
    feed();
    const int got = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
    ERR_clear_error();
    return {into.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
  }
  /// What the other end has written and not sent.
  std::string written() {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(out_, &bytes);
    std::string text(bytes, static_cast<std::size_t>(size));
    static_cast<void>(BIO_reset(out_));
    return text;
  }
  void push() { far_->send(written()); }

  Listening owner;
  std::unique_ptr<net::Stream> stream;
  tls::Session* session = nullptr;
  bool hasFailed = false;
  /// What the other end writes after its handshake is not sent.
  bool isHolding = false;
  [[nodiscard]] SSL* ssl() { return ssl_.get(); }
  [[nodiscard]] Far& far() { return *far_; }

 private:
  void feed() {
    far_->read();
    BIO_write(in_, far_->received.data(), static_cast<int>(far_->received.size()));
    far_->received.clear();
  }

  tls::Ssl ssl_;
  std::unique_ptr<Far> far_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

tls::SslContext contextOf(const Identity& identity) {
  tls::SslContext context(SSL_CTX_new(TLS_method()));
  const std::string chain = identity.pem();
  const std::string key = identity.keyPem();
  const tls::BioPtr chainText(BIO_new_mem_buf(chain.data(), static_cast<int>(chain.size())));
  const tls::BioPtr keyText(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
  const tls::X509Ptr x509(PEM_read_bio_X509(chainText.get(), nullptr, nullptr, nullptr));
  const tls::KeyPtr pkey(PEM_read_bio_PrivateKey(keyText.get(), nullptr, nullptr, nullptr));
  CHECK_EQ(SSL_CTX_use_certificate(context.get(), x509.get()), 1);
  CHECK_EQ(SSL_CTX_use_PrivateKey(context.get(), pkey.get()), 1);
  return context;
}

int tickets = 0;

int countTicket(SSL*, SSL_SESSION*) {
  ++tickets;
  return 0;
}

} // namespace

TEST("a client that resumes with TLS 1.3 is given another ticket, for it may use none twice") {
  const auto domain = tls::Domain::make();
  tls::TicketKeys keys;
  CHECK(keys.begin(static_cast<std::uint64_t>(::time(nullptr)), 100));
  const auto context = serving(domain, servingSite(), keys);
  const tls::SslContext client(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_session_cache_mode(client.get(), SSL_SESS_CACHE_CLIENT);
  SSL_CTX_sess_set_new_cb(client.get(), countTicket);
  tls::SslSession session;
  for (int i = 0; i < 3; ++i) {
    tickets = 0;
    Beside one(client.get());
    if (session != nullptr) {
      SSL_set_session(one.ssl(), session.get());
    }
    one.accept(context);
    one.shake();
    one.until("a ticket", [&] {
      one.work();
      return tickets > 0;
    });
    CHECK_EQ(one.session->isResumed(), i > 0);
    session.reset(SSL_get1_session(one.ssl()));
    SSL_set_shutdown(one.ssl(), SSL_SENT_SHUTDOWN);
  }
}

TEST("a target that gives one ticket is resumed with it time and again") {
  const auto domain = tls::Domain::make();
  const auto target = reaching(domain, trustingAuthority());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const tls::SslContext server = contextOf(site());
    SSL_CTX_set_max_proto_version(server.get(), version);
    target->forget();
    for (int i = 0; i < 4; ++i) {
      Beside one(server.get());
      if (i > 0) {
        SSL_set_num_tickets(one.ssl(), 0);
      }
      one.connect(target);
      one.shake();
      one.settle();
      CHECK_EQ(one.session->isResumed(), i > 0);
      one.stream->abort();
    }
  }
}

TEST("a message that comes in pieces does not stop what is sent meanwhile") {
  const Identity alice({.commonName = std::string(60, 'a')}, &authority());
  const tls::SslContext server = contextOf(site());
  SSL_CTX_set_max_proto_version(server.get(), TLS1_3_VERSION);
  SSL_CTX_set_max_send_fragment(server.get(), 512);
  SSL_CTX_set_num_tickets(server.get(), 1);
  SSL_CTX_set_verify(
      server.get(), SSL_VERIFY_PEER, +[](int, X509_STORE_CTX*) { return 1; });
  const unsigned char scope = 1;
  SSL_CTX_set_session_id_context(server.get(), &scope, 1);
  const auto domain = tls::Domain::make();
  plan::ClientTls terms = trustingAuthority();
  terms.certificate = {alice.planned()};
  const auto target = reaching(domain, terms);
  Beside one(server.get());
  one.isHolding = true;
  one.connect(target);
  one.shake();
  const std::string ticket = one.written();
  const std::size_t first = 5 + static_cast<unsigned char>(ticket[3]) * std::size_t{256} +
                            static_cast<unsigned char>(ticket[4]);
  CHECK(first < ticket.size());
  one.far().send(ticket.substr(0, first));
  one.settle();
  const int rooms = one.owner.rooms;
  const net::SendResult sent = one.stream->send("request");
  CHECK(!sent.isFailed);
  one.far().send(ticket.substr(first));
  if (sent.taken == 0) {
    one.until("room", [&] { return one.owner.rooms > rooms; });
    CHECK_EQ(one.stream->send("request").taken, 7U);
  }
  one.settle();
  CHECK_EQ(one.read(), "request");
}

TEST("tickets that come behind our end are no end of the other direction") {
  const tls::SslContext server = contextOf(site());
  const auto domain = tls::Domain::make();
  const auto target = reaching(domain, trustingAuthority());
  Beside one(server.get());
  one.connect(target);
  one.until("our handshake", [&] {
    one.work();
    return one.owner.outcome.has_value();
  });
  one.stream->startReceive();
  one.stream->shutdownSend();
  one.shake();
  one.settle();
  CHECK(!one.owner.end);
  SSL_key_update(one.ssl(), SSL_KEY_UPDATE_REQUESTED);
  CHECK_EQ(SSL_write(one.ssl(), "answer", 6), 6);
  one.push();
  one.until("the answer", [&] { return one.owner.received == "answer"; });
  CHECK(!one.owner.end);
}

TEST("a client certificate that another authority of the same name signed is rejected as such") {
  const Identity impostor({.commonName = "Test CA", .isAuthority = true});
  const Identity mallory({.commonName = "alice"}, &impostor);
  const auto domain = tls::Domain::make();
  tls::TicketKeys keys;
  CHECK(keys.begin(0, 100));
  plan::ServerTls terms = servingSite();
  terms.clientMode = ClientCertificateMode::Request;
  terms.clientCa = authority().pem();
  const auto context = serving(domain, terms, keys);
  const tls::SslContext client = contextOf(mallory);
  Beside one(client.get());
  one.accept(context);
  one.until("the refusal", [&] {
    one.work();
    return one.owner.outcome.has_value();
  });
  CHECK(one.owner.outcome == Errc::ClientCertificateRejected);
}

TEST("where targets are not verified, a handshake that fails is not for their certificate") {
  const Identity stranger({.commonName = "stranger"});
  const tls::SslContext server = contextOf(stranger);
  SSL_CTX_set_max_proto_version(server.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(server.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  plan::ClientTls terms = trustingAuthority();
  terms.verify = false;
  Beside one(server.get());
  one.connect(reaching(tls::Domain::make(), terms));
  one.until("the refusal", [&] {
    one.work();
    return one.owner.outcome.has_value();
  });
  CHECK(one.owner.outcome == Errc::UpstreamTlsFailed);
}

TEST("a session with a certificate that is not pinned is not resumed when the target has another") {
  const Identity old({.commonName = "s", .names = "DNS:site.example"}, &authority());
  const auto domain = tls::Domain::make();
  plan::ClientTls terms = trustingAuthority();
  terms.terms.maxVersion = TLS1_2_VERSION;
  terms.fingerprints = {tls::describe(site().certificate(), CertificateField::Fingerprint)};
  const auto target = reaching(domain, terms);
  tls::SslContext server = contextOf(old);
  for (const Errc outcome : {Errc::UpstreamCertificateRejected, Errc::None}) {
    Beside one(server.get());
    one.connect(target);
    one.shake();
    CHECK(one.owner.outcome == outcome);
    const std::string chain = site().pem();
    const std::string key = site().keyPem();
    const tls::BioPtr chainText(BIO_new_mem_buf(chain.data(), static_cast<int>(chain.size())));
    const tls::BioPtr keyText(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
    const tls::X509Ptr x509(PEM_read_bio_X509(chainText.get(), nullptr, nullptr, nullptr));
    const tls::KeyPtr pkey(PEM_read_bio_PrivateKey(keyText.get(), nullptr, nullptr, nullptr));
    SSL_CTX_use_cert_and_key(server.get(), x509.get(), pkey.get(), nullptr, 1);
  }
}

TEST("a challenge is answered without a certificate of the client's, and leaves no ticket behind") {
  const auto domain = tls::Domain::make();
  tls::TicketKeys keys;
  CHECK(keys.begin(static_cast<std::uint64_t>(::time(nullptr)), 100));
  const Identity proof({.commonName = "proof", .names = "DNS:site.example"});
  plan::ServerTls terms = servingSite();
  terms.clientMode = ClientCertificateMode::Require;
  terms.clientCa = authority().pem();
  terms.certificates.push_back(proof.planned());
  terms.identities = {{0}, {1}};
  terms.challenges = {{"site.example", 1}};
  const auto context = serving(domain, terms, keys);
  const std::string_view protocol("\x0a"
                                  "acme-tls/1");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const tls::SslContext client(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(client.get(), version);
    SSL_CTX_set_session_cache_mode(client.get(), SSL_SESS_CACHE_CLIENT);
    tickets = 0;
    SSL_CTX_sess_set_new_cb(client.get(), countTicket);
    Beside one(client.get());
    SSL_set_alpn_protos(one.ssl(), tls::bytesOf(protocol), static_cast<unsigned>(protocol.size()));
    SSL_set_tlsext_host_name(one.ssl(), "site.example");
    one.accept(context);
    one.shake();
    CHECK(one.owner.outcome == Errc::None);
    CHECK(one.session->isChallenge());
    for (int i = 0; i < 4; ++i) {
      one.work();
    }
    CHECK_EQ(tickets, 0);
  }
}

TEST("what is in PEM and no certificate is refused, wherever it stands") {
  const auto domain = tls::Domain::make();
  tls::TicketKeys keys;
  CHECK(keys.begin(0, 10));
  const std::string bad = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
  const std::string badList = "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n";
  for (const std::string& chain : {bad, site().pem() + bad}) {
    plan::ServerTls terms = servingSite();
    terms.certificates[0].chain = chain;
    std::string problem;
    CHECK(tls::ServerContext::make(domain, terms, "web", keys, problem) == nullptr);
    CHECK_EQ(problem, "test: not a certificate in PEM");
  }
  const auto problemOf = [&](const std::string& ca, const std::string& crl) {
    plan::ClientTls terms = trustingAuthority();
    terms.ca = ca;
    terms.crl = crl;
    std::string problem;
    CHECK(tls::ClientContext::make(domain, terms, problem) == nullptr);
    return problem;
  };
  CHECK(problemOf(authority().pem() + bad, "") != "");
  CHECK(problemOf("", "") != "");
  CHECK_EQ(problemOf(authority().pem(), badList), "the revocation lists are not in PEM");
  CHECK_EQ(problemOf(authority().pem(), "nothing"), "the revocation lists are not in PEM");
}
