// Every strategy by its name in the configuration.
import type { StrategyName } from '../contract/codes.ts';
import { ipHash } from './ip-hash.ts';
import { leastConnections } from './least-connections.ts';
import { maglev } from './maglev.ts';
import { powerOfTwoChoices } from './power-of-two-choices.ts';
import { random } from './random.ts';
import { roundRobin } from './round-robin.ts';
import type { Strategy } from './strategy.ts';

const REGISTRY = {
  'round-robin': roundRobin,
  random,
  'least-connections': leastConnections,
  'ip-hash': ipHash,
  'power-of-two-choices': powerOfTwoChoices,
  maglev,
} as const satisfies Record<StrategyName, Strategy>;

export function strategyOf(name: StrategyName): Strategy {
  return REGISTRY[name];
}
