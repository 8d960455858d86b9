import { createJsEngine } from '../../src/engine/js/engine.ts';
import { describeWire } from './suite.ts';

// What node:http's parser, llhttp, does before the engine gets to see a request.
describeWire({
  name: 'js',
  create: createJsEngine,
  skip: [
    {
      reason: 'llhttp knows a list of methods and refuses all others',
      cases: ['A13-04 a method is any token, and its case is part of it:'],
    },
    {
      reason: 'llhttp knows versions 0.9, 1.0, 1.1 and 2.0 and refuses all others as malformed',
      cases: [
        'A13-09 another major version: HTTP/3.0',
        'A13-09 another major version: HTTP/9.9',
        'A13-11 a later minor version is served as 1.1',
      ],
    },
    {
      reason: 'llhttp takes a request line without a version for HTTP/0.9 and waits for fields',
      cases: ['A13-08 HTTP/0.9'],
    },
    {
      reason: 'llhttp skips any number of spaces between the parts of a request line',
      cases: [
        'A13-06 more or other than one space between the parts: GET  / HTTP/1.1',
        'A13-06 more or other than one space between the parts: GET /  HTTP/1.1',
      ],
    },
    {
      reason: 'llhttp skips any number of CRs and LFs before a request',
      cases: [
        'A26-02 more than one is not',
        'A26-03 an empty line that is none: \\n',
        'A26-03 an empty line that is none: \\r',
      ],
    },
    {
      reason: 'llhttp does not take a tab behind Content-Length for white space',
      cases: ['A3-04 white space around a length is not part of it: \\t5\\t'],
    },
    {
      reason: 'llhttp does not count the leading zeros of a chunk size',
      cases: ['A10-02 a chunk size that no counter holds: \\{17:0}5'],
    },
    {
      reason: 'llhttp refuses a message with Content-Length among its trailers',
      cases: ['A12-01 trailers that may not be trailers are left out'],
    },
  ],
  corpusExceptions: [
    {
      reason: 'llhttp knows a list of methods and refuses all others',
      entries: ['031', '031compat', '031compat2'].map((id) => `gunicorn-valid/${id}+host`),
    },
    {
      reason: 'llhttp does not take a tab behind Content-Length for white space',
      entries: ['llhttp/content-length#10+host'],
    },
  ],
});
