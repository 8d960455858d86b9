// Where a worker's flows are made: one slab a type, so that memory is reused without going to the heap.
#pragma once

#include "base/slab.h"
#include "relay/tcp_relay.h"

namespace sluice::relay {

struct Slabs {
  Slab<TcpRelay> tcp;
};

} // namespace sluice::relay
