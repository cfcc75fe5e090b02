using from './sales-order';
using from './business-partner';
using from './incoming-document';
using from './sender-log';
