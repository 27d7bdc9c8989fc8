import Calibration
import Clusters
import Documents
import Foundation
import TestSupport
import Testing

/// The probe on a stand-in for PyTorch: its branches for NVIDIA's and AMD's devices, and the reader of its table.
@Suite struct ProbeTests {
  private static let hasPython =
    (try? Launch.run(["sh", "-c", "command -v python3"]).status) == 0

  /// Runs the probe's small shapes and gives the path of its table.
  private func run(
    _ device: String, in folder: ScratchFolder, _ options: [String] = [], _ stand: [String] = [],
    script text: String = Probe.script
  ) throws -> String {
    let script = try folder.write(text, to: "probe.py")
    let library = try #require(
      Bundle.module.url(forResource: "Fixtures", withExtension: nil)
    ).appending(path: "fake-torch").path
    let hwmon = folder.file("hwmon")
    try FileManager.default.createDirectory(atPath: hwmon, withIntermediateDirectories: true)
    for (name, value) in [
      ("power1_cap", "750000000"), ("power1_average", "700000000"), ("freq1_input", "2100000000"),
      ("temp1_input", "61000"),
    ] { _ = try folder.write(value + "\n", to: "hwmon/" + name) }
    let table = folder.file("\(device).csv")
    let outcome = try Launch.run(
      [
        "env", "FAKE_DEVICE=\(device)", "FAKE_DEVICES=2", "PYTHONPATH=\(library)",
        "PYTHONDONTWRITEBYTECODE=1", "PROBE_AMD_HWMON=\(hwmon)",
      ] + stand + ["python3", script, "--small", "-o", table] + options)
    #expect(outcome.status == 0, "\(outcome.output)")
    return table
  }

  /// Every part has rows with times; each device multiplies its own FP8 and names its own library of collectives.
  @Test(
    .enabled(if: hasPython),
    arguments: [
      ("cuda", "CUDA 13.0", "nccl"), ("rocm", "ROCm 6.2.41133", "rccl"),
    ])
  func branches(device: String, runtime: String, library: String) throws {
    let folder = try ScratchFolder()
    let table = try run(device, in: folder)
    let text = String(decoding: try contents(of: table), as: UTF8.self)
    #expect(text.contains("# runtime: \(runtime)\n"))
    let rows = text.split(whereSeparator: \.isNewline).map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    for part in [
      "products", "attention", "streaming", "grouped", "host", "copies", "sustained", "compiled",
      "collectives",
    ] {
      #expect(rows.contains { $0[0] == part && $0.count > 6 && !$0[6].isEmpty }, "\(part)")
    }
    #expect(!text.contains("is not this device's"))
    #expect(rows.contains { $0[0] == "products" && $0[4] == "fp8" && !$0[6].isEmpty })
    #expect(rows.contains { $0[0] == "collectives" && $0[2] == Substring(library) })
    if device == "rocm" {
      // Watts and clocks come from the driver's files.
      #expect(text.contains("# power.limit: 750.00\n"))
      #expect(rows.contains { $0[0] == "sustained" && $0.count > 13 && $0[13] == "700.0" })
      #expect(text.contains("No available kernel"))
    }
    let (format, found) = try BenchmarkFormat.read(table)
    #expect(format == .probe && found.products.count == 7)
    #expect(
      Set(found.collectives.map(\.kind)) == [.allReduce, .allGather, .reduceScatter, .allToAll])
    #expect(found.values.contains { $0.path == "device.memory.reached" })
    // A row without a time is of what the device has not: none on NVIDIA's. (On a stand-in the difference of two
    // chains of operators may be nothing, which is a time.)
    let untimed = rows.filter { $0.count > 6 && $0[0] != "sustained" && $0[6].isEmpty }
    #expect(untimed.isEmpty == (device == "cuda"), "\(untimed)")
    #expect(untimed.isEmpty || found.remarks.contains { $0.contains("without a time") })
  }

  /// What the driver has for programs is the device's memory; what is no such number is refused.
  @Test func memoryOfTheHead() throws {
    let head = "# device: NVIDIA H200\n# multiprocessors: 132\n# memory: "
    let rows = "\npart,name,library,direction,format,shape,microseconds\nhost,launch,eager,,,,9.5\n"
    let found = try BenchmarkFormat.read(text: head + "150109880320" + rows, file: "probe.csv")
    let size = try #require(found.measurements.values.first { $0.path == "device.memory.size" })
    #expect(size.text == "150109880320 B")
    let error = #expect(throws: ConfigurationError.self) {
      try BenchmarkFormat.read(text: head + "17" + rows, file: "probe.csv")
    }
    #expect(error?.description.contains("expected bytes of the device") == true)
  }

  /// Without PyTorch the options are told all the same, and what is missing in a line.
  @Test(.enabled(if: hasPython)) func withoutPyTorch() throws {
    let folder = try ScratchFolder()
    let script = try folder.write(Probe.script, to: "probe.py")
    // -S leaves packages out, PyTorch's among them.
    let help = try Launch.run(["python3", "-S", "-E", script, "--help"])
    #expect(help.status == 0 && help.output.contains("--seconds"), "\(help.output)")
    let run = try Launch.run(["python3", "-S", "-E", script, "-o", folder.file("probe.csv")])
    #expect(run.status == 1 && run.output.contains("needs PyTorch 2.3 or later"), "\(run.output)")
    #expect(!run.output.contains("Traceback"))
    #expect(!FileManager.default.fileExists(atPath: folder.file("probe.csv")))
  }

  /// Where the time is over, every part says how much it has left out; none goes on.
  @Test(.enabled(if: hasPython)) func noTime() throws {
    let folder = try ScratchFolder()
    let table = try run("cuda", in: folder, ["--seconds", "0"])
    let lines = String(decoding: try contents(of: table), as: UTF8.self)
      .split(whereSeparator: \.isNewline)
    #expect(lines.count { !$0.hasPrefix("#") } == 1, "\(lines)")
    for part in [
      "products", "attention", "streaming", "grouped", "host", "issue", "blocks", "units", "copies",
      "sustained", "compiled", "collectives",
    ] {
      #expect(
        lines.contains { $0.hasPrefix("# left out") && $0.hasSuffix(" of \(part)") }, "\(part)")
    }
  }

  /// Collectives that are slow end with the time, and what was measured stays; so it does where ranks never come
  /// back.
  @Test(
    .enabled(if: hasPython),
    arguments: [
      ["FAKE_COLLECTIVE_SECONDS=0.05"], ["FAKE_HANGING=1", "FAKE_COLLECTIVE_SECONDS=0.05"],
    ])
  func collectivesEnd(stand: [String]) throws {
    let folder = try ScratchFolder()
    let table = try run(
      "cuda", in: folder, ["--seconds", "0.5", "--parts", "collectives"], stand,
      script: Probe.script.replacing("COLLECTIVE_GRACE = 20", with: "COLLECTIVE_GRACE = 0"))
    let lines = String(decoding: try contents(of: table), as: UTF8.self)
      .split(whereSeparator: \.isNewline)
    let measured = lines.count {
      $0.hasPrefix("collectives,all") || $0.hasPrefix("collectives,red")
    }
    let said = try #require(lines.first { $0.hasSuffix(" of collectives") })
    let left = try #require(said.split(separator: " ").compactMap { Int($0) }.first)
    // Each of the twelve takes six times 0.05 s.
    #expect(measured < 12 && measured + left == 12, "\(lines)")
    #expect(
      lines.contains { $0.contains("did not come back") } == stand.contains("FAKE_HANGING=1"))
  }

  /// A table of a processor checks the probe and describes no device.
  @Test func aProcessorIsNoDevice() {
    let text = """
      # device: x86_64
      # threads: 2
      part,name,library,direction,format,shape,microseconds,fastest,slowest,runs,flops,bytes,clock_mhz,watts,note
      products,product,vendor,forward,bf16,m=64 n=64 k=64,10.0,,,3,524288,,,,loop

      """
    let error = #expect(throws: ConfigurationError.self) {
      try BenchmarkFormat.read(text: text, file: "probe.csv")
    }
    #expect(error?.description.contains("describes no device") == true)
  }

  /// Two H100s that the probe measured, in short: products of both formats, attention, streams, host and energies.
  @Test func aTableOfARealDevice() throws {
    let text = """
      # device: NVIDIA H100 80GB HBM3
      # multiprocessors: 132
      # power.limit: 700.00
      # driver_version: 580.159.04
      part,name,library,direction,format,shape,microseconds,fastest,slowest,runs,flops,bytes,clock_mhz,watts,note
      host,launch,eager,,,,8.998,,,1500,,,,,issued every 8.698 us
      issue,silu,eager,forward,,kernels=1 chain=40,9.221,,,,,,,,
      issue,layer,eager,forward,,kernels=24 chain=40,560,,,,,,,,
      issue,layer,eager,backward,,kernels=56 chain=40,1040,,,,,,,,
      host,gap-in-graph,graph,,,values=256,1.219,1.172,1.238,5,,,,,graph
      copies,host-to-device,vendor,,,bytes=268435456,5053.312,,,5,,268435456,,,
      copies,device-to-device,vendor,,,bytes=268435456,186.464,,,5,,536870912,,,
      products,product,vendor,forward,bf16,m=8192 n=6144 k=4096,535.448,,,5,412316860416,218103808,,,graph
      products,product,vendor,weight-gradient,bf16+float32,m=8192 n=6144 k=4096,605.408,,,5,412316860416,1,,,graph
      attention,attention,cudnn,forward,bf16,batch=4 heads=16 kv_heads=16 length=4096 query=128 value=128 causal=yes,600,,,5,1,,,,graph
      streaming,residual,eager,forward,bf16,rows=16384 columns=4096,140.0,,,5,,402653184,,,graph
      sustained,idle,,,,,,,,,,,1980.0,140.13,"61 C, throttle 0x0"
      sustained,product,vendor,forward,bf16,seconds=4,1626.354,1,2,2432,1099511627776,402653184,1350.0,709.35,"first 1456.547 us; 76 C"
      sustained,copy,vendor,forward,bf16,seconds=4,92.339,1,2,43456,0,268435456,1980.0,514.01,"first 92.331 us; 67 C"
      # left out for want of time: 12 of collectives

      """
    let found = try BenchmarkFormat.read(text: text, file: "probe.csv").measurements
    let values = Dictionary(uniqueKeysWithValues: found.values.map { ($0.path, $0.text) })
    #expect(found.remarks.contains { $0.contains(":20: 12 of collectives not measured") })
    #expect(values["device.launch.gap"] == "1.219 us" && values["device.launch.host"] == "8.998 us")
    // 1,600 us over 80 kernels.
    #expect(values["device.launch.eager"] == "20 us")
    #expect(values["device.memory.reached"] == "2.879 TB/s")
    #expect(values["device.energy.idle"] == "140.1 W")
    // (700 - 140.13) W x 1626 us less the bytes', over the operations at 0.896 of the clock squared.
    #expect(values["device.energy.bf16"].map { $0.hasPrefix("0.9") || $0.hasPrefix("1.") } == true)
    #expect(found.products.map(\.shape.accumulates) == [false, true])
    #expect(found.attention.map(\.cell.shape.heads) == [64])
    #expect(found.streams.map(\.kernel) == [.elementwise])
  }
}
