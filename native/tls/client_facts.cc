#include "tls/client_facts.h"

#include <utility>

#include "tls/peer_certificate.h"

namespace sluice::tls {

std::unique_ptr<ClientFacts> describeClient(const Session& session, const plan::ServerTls& terms) {
  if (terms.clientMode == ClientCertificateMode::Off) {
    return nullptr;
  }
  auto facts = std::make_unique<ClientFacts>();
  const X509* certificate = session.peerCertificate();
  facts->isVerified = certificate != nullptr;
  if (certificate != nullptr) {
    facts->commonName = commonName(certificate);
    facts->fingerprint = describe(certificate, CertificateField::Fingerprint);
  }
  for (const plan::CertificateHeader& header : terms.clientHeaders) {
    std::string value = describe(certificate, header.field);
    facts->edits.push_back(
        {value.empty() ? EditOp::Remove : EditOp::Set, header.name, std::move(value)});
  }
  return facts;
}

} // namespace sluice::tls
