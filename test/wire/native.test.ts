// The wire suite on the native engine, on the loop that it chooses here.
import { NATIVE } from '../support/native-under-test.ts';
import { describeWire } from './suite.ts';

describeWire({ ...NATIVE, skip: [] });
