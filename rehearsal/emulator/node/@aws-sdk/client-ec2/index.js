// The four EC2 calls of the CDK library's default-security-group function, over the query
// protocol with Signature Version 4. Lambda's Node runtime carries the whole SDK; here this is
// all that is needed of it.
"use strict";
const crypto = require("crypto");
const https = require("https");

const API_VERSION = "2016-11-15";

function flatten(value, prefix, into) {
  if (Array.isArray(value)) {
    value.forEach((entry, index) => flatten(entry, `${prefix}.${index + 1}`, into));
  } else if (value !== null && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) {
      const name = { UserIdGroupPairs: "Groups" }[key] || key;
      flatten(inner, prefix ? `${prefix}.${name}` : name, into);
    }
  } else if (value !== undefined) {
    into.push([prefix, String(value)]);
  }
  return into;
}

const sha256 = (data) => crypto.createHash("sha256").update(data).digest("hex");
const hmac = (key, data) => crypto.createHmac("sha256", key).update(data).digest();

function signedHeaders(endpoint, region, body) {
  const at = new Date().toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${at.slice(0, 8)}/${region}/ec2/aws4_request`;
  const headers = {
    "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    host: endpoint.host,
    "x-amz-date": at,
    "x-amz-security-token": process.env.AWS_SESSION_TOKEN,
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    "POST", "/", "",
    names.map((name) => `${name}:${headers[name]}\n`).join(""),
    names.join(";"), sha256(body),
  ].join("\n");
  let key = `AWS4${process.env.AWS_SECRET_ACCESS_KEY}`;
  for (const part of scope.split("/")) key = hmac(key, part);
  const text = ["AWS4-HMAC-SHA256", at, scope, sha256(canonical)].join("\n");
  headers.authorization =
    `AWS4-HMAC-SHA256 Credential=${process.env.AWS_ACCESS_KEY_ID}/${scope}, ` +
    `SignedHeaders=${names.join(";")}, Signature=${hmac(key, text).toString("hex")}`;
  return headers;
}

function call(action, parameters) {
  const endpoint = new URL(process.env.AWS_ENDPOINT_URL);
  const pairs = [["Action", action], ["Version", API_VERSION], ...flatten(parameters, "", [])];
  const body = new URLSearchParams(pairs).toString();
  const options = {
    hostname: endpoint.hostname,
    port: endpoint.port,
    method: "POST",
    path: "/",
    headers: signedHeaders(endpoint, process.env.AWS_REGION, body),
  };
  return new Promise((resolve, reject) => {
    const request = https.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode < 400) return resolve({});
        const part = (name) => (text.match(new RegExp(`<${name}>([^<]*)</${name}>`)) || [])[1];
        const error = new Error(part("Message") || text);
        error.name = part("Code") || "UnknownError";
        return reject(error);
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

class EC2 {
  authorizeSecurityGroupEgress(parameters) {
    return call("AuthorizeSecurityGroupEgress", parameters);
  }
  authorizeSecurityGroupIngress(parameters) {
    return call("AuthorizeSecurityGroupIngress", parameters);
  }
  revokeSecurityGroupEgress(parameters) {
    return call("RevokeSecurityGroupEgress", parameters);
  }
  revokeSecurityGroupIngress(parameters) {
    return call("RevokeSecurityGroupIngress", parameters);
  }
}

module.exports = { EC2 };
