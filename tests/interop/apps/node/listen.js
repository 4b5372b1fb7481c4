'use strict';
// The samples of the library have port 8000 written into them. With this they listen at HOST and PORT:
//
//     HOST=127.0.0.1 PORT=8001 node --require ./listen.js SAMPLE

const { Server } = require('node:net');

const { listen } = Server.prototype;

Server.prototype.listen = function (_, ...rest) {
  return listen.call(this, { host: process.env.HOST, port: process.env.PORT }, ...rest);
};
