// node custom_resources.mjs FILE: validates the custom resources of FILE (a JSON list of documents) by their models.
// Prints a line for each that does not fit; the exit status is 1 if there is one.
import { readFileSync } from "node:fs";
import * as keda from "@kubernetes-models/keda/keda.sh/v1alpha1";
import * as monitoring from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const groups = { "keda.sh/v1alpha1": keda, "monitoring.coreos.com/v1": monitoring };

function complaint(document) {
  const Model = groups[document.apiVersion]?.[document.kind];
  if (Model === undefined) return "is a kind that nothing here knows";
  try {
    new Model(document).validate();
  } catch (error) {
    return error.message;
  }
  return null;
}

for (const document of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const found = complaint(document);
  if (found === null) continue;
  console.log(`${document.kind}/${document.metadata?.name}: ${found}`);
  process.exitCode = 1;
}
