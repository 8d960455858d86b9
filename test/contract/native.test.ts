// The contract on the native engine, on the loop that it chooses here.
import { NATIVE } from '../support/native-under-test.ts';
import { describeEngine } from './suite.ts';

describeEngine({ ...NATIVE, skip: [] });
