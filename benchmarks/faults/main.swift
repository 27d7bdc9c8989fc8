// bench-faults [--smoke] [kills=50] [mean=20] [seed=1] [ranks=4] [every=10]
// [rounds=6] [out=FILE]: goodput of a run
// whose ranks are killed at seeded exponential times.
//
// bench-faults checkpoints [--smoke] [pairs=10] [ranks=2]: steps beside which a checkpoint is written against
// steps without one, in one run.
//
//     swift build -c release --product bench-faults --product sluice
//     .build/release/bench-faults out=faults.json
//
// Starts `sluice train --elastic` beside itself on a GPT of its own, kills a rank of it (kill -9) again and
// again, `mean` seconds apart on average, and reads what is left in the run's log: seconds of the steps that
// count, over those of the wall. A kill that falls where fewer than two ranks are there waits for them; the times that are
// written are those of the kills. Then the same run is forecast, with the same kills and with rates alone, from
// what steps, starts, ends and checkpoints take on every number of ranks, measured in launches of their own
// (FaultCalibration): before the run, behind it, and `rounds` - 2 times between kills, for which it stands still. Checked: the losses are, bit for bit, those of as many steps that nothing
// happened to (their checksum is printed). Not measured here: hosts that are lost, disks that fail.
import Documents
import Foundation
import Training

do {
  let options = try FaultOptions(CommandLine.arguments.dropFirst())
  let signals = StopSignals()
  let scene = try FaultScene(options)
  defer { scene.remove() }
  if options.isOfCheckpoints {
    print(try CheckpointBench(options: options, scene: scene).run())
  } else {
    let calibration = try FaultCalibration(options, scene, signals)
    // In front of the run, behind it, and between: what the machine becomes slower or faster by is in both.
    try calibration.measure()
    let report = try FaultBench(options, scene, signals).run(
      pauses: max(0, options.rounds - 2), aside: calibration.measure)
    if options.rounds > 1 { try calibration.measure() }
    print(report.text)
    print(try FaultForecast(report, calibration, scene).text())
    if let path = options.output {
      try report.json.write(toFile: path, atomically: true, encoding: .utf8)
      print("times of the kills: \(path)")
    }
  }
} catch {
  FileHandle.standardError.write(Data("bench-faults: \(error)\n".utf8))
  exit(1)
}
