import { createJsEngine } from '../../src/engine/js/engine.ts';
import { describeEngine } from './suite.ts';

describeEngine({
  name: 'js',
  create: createJsEngine,
  skip: [
    {
      reason:
        'node:dgram neither tells which address a datagram was sent to nor lets a reply choose one',
      cases: ['udp: replies from the address that the client spoke to on a wildcard listener'],
    },
  ],
});
