// bench-faults [--smoke] [kills=50] [mean=20] [seed=1] [ranks=4] [every=10] [out=FILE]: goodput of a run
// whose ranks are killed at seeded exponential times.
//
//     swift build -c release --product bench-faults --product sluice
//     .build/release/bench-faults out=faults.json
//
// Starts `sluice train --elastic` beside itself on a GPT of its own, kills a rank of it (kill -9) again and
// again, `mean` seconds apart on average, and reads what is left in the run's log: seconds of the steps that
// count, over those of the wall. A kill that falls where no rank is there waits for one; the times that are
// written are those of the kills. Checked: the losses are, bit for bit, those of as many steps that nothing
// happened to (their checksum is printed). Not measured here: hosts that are lost, disks that fail.
import Documents
import Foundation
import Training

do {
  let options = try FaultOptions(CommandLine.arguments.dropFirst())
  let scene = try FaultScene(options)
  defer { scene.remove() }
  let report = try FaultBench(options, scene).run()
  print(report.text)
  if let path = options.output {
    try report.json.write(toFile: path, atomically: true, encoding: .utf8)
    print("times of the kills: \(path)")
  }
} catch {
  FileHandle.standardError.write(Data("bench-faults: \(error)\n".utf8))
  exit(1)
}
