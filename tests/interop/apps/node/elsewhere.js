'use strict';
// What the library sends to api.tropo.com, which it has written into its code, goes to the Tropo at TROPO instead:
//
//     TROPO=http://127.0.0.1:8089 node --require ./elsewhere.js pizza.js

const http = require('node:http');
const https = require('node:https');

const elsewhere = new URL(process.env.TROPO);
const request = https.request;

https.request = (options, ...rest) => {
  if (options.hostname !== 'api.tropo.com') return request(options, ...rest);
  return http.request({ ...options, hostname: elsewhere.hostname, port: elsewhere.port }, ...rest);
};
