// Every case of every scenario, in the order in which they run.
import type { Case, Extent } from '../cases.ts';
import { engineCases } from './engines.ts';
import { forwardCases } from './forward.ts';
import { layerCases } from './layers.ts';
import { rivalCases } from './rivals.ts';
import { scaleCases } from './scale.ts';
import { tlsCases } from './tls.ts';

export function allCases(extent: Extent): readonly Case[] {
  return [
    ...layerCases(),
    ...engineCases(),
    ...rivalCases(extent),
    ...tlsCases(extent),
    ...forwardCases(extent),
    ...scaleCases(extent),
  ];
}

/** The scenario that has no cases: its figures come from strategies.ts. */
export const STRATEGIES = 'strategies';
