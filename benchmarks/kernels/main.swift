// bench-kernels [--smoke] [GROUP…]: rates of the kernels on one thread, against what this machine's
// memory and OpenBLAS give in the same sitting. Times are processor times, the shortest of several
// runs. Not measured here: several threads, messages beside kernels.
import Kernels

let groups: [(name: String, run: (inout Bench) -> Void)] = [
  ("streams", benchStreams), ("adamw", benchAdamW), ("activations", benchActivations),
  ("norms", benchNorms), ("tokens", benchTokens), ("products", benchProducts),
  ("attention", benchAttention), ("head", benchHead),
]
let arguments = CommandLine.arguments.dropFirst()
let wanted = arguments.filter { $0 != "--smoke" }
let names = groups.map(\.name)
let missing = missingProcessorFeatures()
if !missing.isEmpty {
  print("bench-kernels: this processor lacks \(missing.joined(separator: ", "))")
} else if let unknown = wanted.first(where: { !names.contains($0) }) {
  print("bench-kernels: no group '\(unknown)'; there are \(names.joined(separator: ", "))")
} else {
  setMatmulThreads(1)
  print(matmulIdentity())
  var bench = Bench(isSmoke: arguments.contains("--smoke"))
  for group in groups where wanted.isEmpty || wanted.contains(group.name) { group.run(&bench) }
}
