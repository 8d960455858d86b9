// Answers that we make ourselves: errors, and a route's `respond` and `redirect`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string_view>

#include "generated/codes.h"
#include "http/head_writer.h"
#include "http/request.h"
#include "plan/plan.h"

namespace sluice::http {

/// What the client is told about its connection.
enum class ConnectionOption : std::uint8_t {
  /// Nothing: HTTP/1.1 keeps it alive.
  Implied,
  Close,
  /// For HTTP/1.0 clients that asked for it.
  KeepAlive,
};

struct AnswerContext {
  /// formatDate() of now; the loop keeps it for a second.
  std::string_view date;
  ConnectionOption connection = ConnectionOption::Implied;
  /// The request was HEAD: the head only.
  bool isHead = false;
  /// The request came over TLS.
  bool isTls = false;
};

/// Room that any error answer fits in.
inline constexpr std::size_t kGeneratedBytes = 512;

/// A whole error answer, head and body. Returns its length; 0 when it did not fit or when the code
/// has no answer.
std::size_t writeGenerated(HeadWriter& out, Errc code, bool close, std::string_view date,
                           bool isHead = false) noexcept;

/// What an error answer says besides its code: a field of its own, and a body in place of the usual
/// one.
struct Refusal {
  Errc code = Errc::None;
  std::string_view fieldName{};
  std::string_view fieldValue{};
  /// HTML; empty = the usual body.
  std::string_view page{};
};

/// The head of such an answer, and its body unless it is a page, which is to be sent behind it.
[[nodiscard]] bool writeRefusal(HeadWriter& out, const Refusal& refusal,
                                const AnswerContext& context) noexcept;

/// A whole answer with a body of our own.
[[nodiscard]] bool writeAnswer(HeadWriter& out, std::uint16_t status, std::string_view contentType,
                               std::string_view body, const AnswerContext& context) noexcept;

/// The head of a `respond` route. Its body is route.action.body: send it behind the head unless the
/// request was HEAD or hasRespondBody() says no.
[[nodiscard]] bool writeRespond(HeadWriter& out, const plan::Route& route,
                                const AnswerContext& context) noexcept;
/// 204 and 304 have none, whatever the plan says.
[[nodiscard]] bool hasRespondBody(const plan::Route& route) noexcept;

/// A whole `redirect` answer. `path` is the request's in normal form.
[[nodiscard]] bool writeRedirect(HeadWriter& out, const plan::Route& route, const RequestHead& head,
                                 std::string_view path, const AnswerContext& context) noexcept;

/// The reason phrase of a status, or "" for one we do not know.
[[nodiscard]] std::string_view reasonOf(std::uint16_t status) noexcept;

/// IMF-fixdate (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
inline constexpr std::size_t kDateBytes = 29;
void formatDate(std::time_t time, char (&out)[kDateBytes]) noexcept;

} // namespace sluice::http
