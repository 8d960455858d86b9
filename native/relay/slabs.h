// Where a worker's flows are made: one slab a type, so that memory is reused without going to the
// heap.
#pragma once

#include "base/slab.h"
#include "relay/dial.h"
#include "relay/egress.h"
#include "relay/front.h"
#include "relay/h1_client.h"
#include "relay/h1_upstream.h"
#include "relay/redirected_client.h"
#include "relay/socks_client.h"
#include "relay/tcp_relay.h"
#include "relay/tunnel.h"
#include "relay/udp_association.h"

namespace sluice::relay {

struct Slabs {
  Slab<Front> front;
  Slab<TcpRelay> tcp;
  Slab<H1Client> h1Client;
  Slab<H1Upstream> h1Upstream;
  Slab<Tunnel> tunnel;
  Slab<Egress> egress;
  Slab<Dial> dial;
  Slab<SocksClient> socks;
  Slab<RedirectedClient> redirected;
  Slab<UdpAssociation> association;
  Slab<UdpPlace> udpPlace;
  /// What the associations share.
  DatagramDesk datagrams;
};

} // namespace sluice::relay
