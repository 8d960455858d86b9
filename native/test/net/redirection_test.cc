#include "net/redirection.h"

#include "test/net/loopback.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::net;

TEST("a connection that nobody redirected came straight to where it came, as far as is known") {
  test::Connection connection = test::connectLoopback();
  const Redirection redirection = Redirection::of(connection.near);
  CHECK(redirection.own.family == AddressFamily::Ipv4);
  CHECK_EQ(redirection.own.port, test::portOf(connection.near));
  // Where netfilter tracks connections it knows this one.
  CHECK(!redirection.original.isKnown() || redirection.isStraight());
}

TEST("what is no connection over IP has been redirected from nowhere") {
  int pair[2] = {-1, -1};
  CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const UniqueFd near(pair[0]);
  const UniqueFd far(pair[1]);
  CHECK(!Redirection::of(near).own.isKnown());
  CHECK(!Redirection::of(near).original.isKnown());
  CHECK(!Redirection::of(UniqueFd()).original.isKnown());
}
