import Calibration
import Clusters
import Documents
import Testing

/// Files whose lines agree with one another and are wrong nonetheless: other units, other machines.
@Suite struct HardwareLimitTests {
  /// The output of all_reduce_perf over ranks on hosts.
  private static func nccl(
    _ devices: [String], hosts: [String], seconds scale: Double = 1, bytes unit: Int = 1
  ) -> String {
    var lines = ["# nccl-tests version 2.18.2", "# Collective test starting: all_reduce_perf"]
    for (rank, device) in devices.enumerated() {
      lines.append(
        "#  Rank \(rank) Group 0 Pid 1 on \(hosts[rank]) device \(rank) [0x0f] \(device)")
    }
    lines.append(
      "#  size  count  type  redop  root  time  algbw  busbw  #wrong  time  algbw  busbw  #wrong")
    let factor = 2 * Double(devices.count - 1) / Double(devices.count)
    for exponent in stride(from: 20, through: 30, by: 2) {
      let bytes = (1 << exponent) / unit
      let time = (30 + Double(1 << exponent) / 2.4e5) * scale
      let rate = Double(bytes) / time / 1e3
      let row = "\(time) \(rate) \(rate * factor) 0"
      lines.append("\(bytes) \(bytes / 4) float sum -1 \(row) \(row)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let hosts = [String](repeating: "a", count: 8)
  private static func eight(_ name: String) -> [String] { .init(repeating: name, count: 8) }

  /// - Returns: remarks, or the rule that was broken.
  private func outcome(_ files: [String]) throws -> (remarks: [String], rule: String?) {
    let base = try Cluster.shipped("h100-2048")
    let calibrator = Calibrator(base: base, named: "h100-2048", facts: .init())
    do throws(ConfigurationError) {
      var all = Measurements()
      for (index, text) in files.enumerated() {
        all += try BenchmarkFormat.read(text: text, file: "\(index).txt").measurements
      }
      return (try calibrator.fit(all, name: "mine", file: "mine.yaml").remarks, nil)
    } catch {
      return ([], error.description)
    }
  }

  @Test func oneMachineIsTaken() throws {
    let name = "NVIDIA H100 80GB HBM3"
    let (remarks, rule) = try outcome([
      Self.nccl(Self.eight(name), hosts: Self.hosts),
      Self.nccl(Self.eight("NVIDIA H100 PCIe"), hosts: Self.hosts),
    ])
    // That few sizes are all fitted is said, and nothing of the devices.
    #expect(
      rule == nil && remarks.allSatisfy { $0.contains("none is left to check") },
      "\(rule ?? "") \(remarks)")
  }

  /// Two products in one file or in two are refused by file and line; one that is not the base's is said.
  @Test func mixedMachinesAreRefused() throws {
    let (h100, a100) = ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB")
    let mixed = Array(Self.eight(h100).prefix(4) + Self.eight(a100).prefix(4))
    let inside = try outcome([Self.nccl(mixed, hosts: Self.hosts)])
    #expect(inside.rule?.contains("0.txt:7: was measured on \(a100), and 0.txt:3 on") == true)
    let two = try outcome([
      Self.nccl(Self.eight(h100), hosts: Self.hosts),
      Self.nccl(Self.eight("NVIDIA H800"), hosts: Self.hosts),
    ])
    #expect(two.rule?.contains("1.txt:3: was measured on NVIDIA H800") == true)
    let other = try outcome([Self.nccl(Self.eight("NVIDIA H800"), hosts: Self.hosts)])
    #expect(other.rule == nil && other.remarks.contains { $0.contains("measured on NVIDIA H800") })
  }

  @Test func unevenHostsAreRefused() throws {
    let hosts = Array(Self.hosts.prefix(5)) + ["b", "b", "b"]
    let rule = try outcome([Self.nccl(Self.eight("NVIDIA H100"), hosts: hosts)]).rule
    #expect(rule?.contains("3 ranks lie on one host and 5 on another") == true, "\(rule ?? "")")
  }

  /// Times and sizes a thousand times off, with rates that follow from them.
  @Test(arguments: [
    (1e-3, 1, "more than"), (1e3, 1, "five-hundredth"), (1, 1024, "five-hundredth"),
  ])
  func collectivesInAnotherUnit(scale: Double, unit: Int, word: String) throws {
    let text = Self.nccl(
      Self.eight("NVIDIA H100"), hosts: Self.hosts, seconds: scale, bytes: unit)
    let rule = try outcome([text]).rule
    #expect(rule?.contains(word) == true, "\(rule ?? "taken")")
    #expect(rule?.contains("is in another unit") == true && rule?.contains("0.txt:") == true)
  }

  @Test(arguments: [(1.0, nil), (1e-3, "more than"), (0.5, "more than"), (1e3, "five-hundredth")])
  func productsInAnotherUnit(scale: Double, word: String?) throws {
    var lines = ["m,n,k,dtype,time_us,tflops"]
    for side in [4096, 5120, 6144, 8192, 12288] {
      let flops = 2 * Double(side) * Double(side) * Double(side)
      let time = (flops / 650e6 + 5) * scale
      lines.append("\(side),\(side),\(side),bf16,\(time),\(flops / time / 1e6)")
    }
    let rule = try outcome([lines.joined(separator: "\n") + "\n"]).rule
    #expect((rule == nil) == (word == nil), "\(rule ?? "taken")")
    if let word { #expect(rule?.contains(word) == true && rule?.contains("0.txt:2:") == true) }
  }

  @Test func rowsWithoutTimesAreNamed() throws {
    let text = Self.nccl(Self.eight("NVIDIA H100"), hosts: Self.hosts, seconds: -1)
    #expect(try outcome([text]).rule?.contains("expected a time above 0") == true)
    #expect(try outcome([text]).rule?.contains("0.txt:12:") == true)
  }

  /// Copies of another device than the base's are refused where they stand, and not by the file that they would make.
  @Test(arguments: [("device-to-device", "memory"), ("host-to-device", "host link")])
  func copiesOfAnotherDevice(name: String, what: String) throws {
    let text = """
      # device: NVIDIA H100 80GB HBM3
      # multiprocessors: 132
      part,name,library,direction,format,shape,microseconds,fastest,slowest,runs,flops,bytes,clock_mhz,watts,note
      copies,\(name),vendor,forward,,,1000,,,,,1e10,,,

      """
    let rule = try outcome([text]).rule
    #expect(rule?.contains("is more than the \(what) of h100-2048 has") == true, "\(rule ?? "")")
    #expect(rule?.contains("0.txt:4") == true && rule?.contains("--base NAME") == true)
  }

  /// Exchanges ten times as fast as NVLink, a hundred times slower, and faster than an adapter.
  @Test(
    arguments: [
      (1, 158.0, nil, nil), (1, 1580.0, nil, "more than h100-2048 has, 450"),
      (1, 1.58, nil, "less than a hundredth of what h100-2048 has, 450"), (2, 152.0, 46.0, nil),
      (2, 152.0, 460.0, "more than h100-2048 has, 50"),
      (2, 1.0, 0.3, "less than a hundredth of what h100-2048 has, 50"),
    ] as [(Int, Double, Double?, String?)])
  func exchangesInAnotherUnit(nodes: Int, link: Double, network: Double?, word: String?) throws {
    let rates = (network.map { "\($0) GB/s (RDMA), " } ?? "") + "\(link) GB/s (NVL)"
    let text = """
      [config] num_tokens=4096, hidden=7168, num_topk=8
      [tuning] Best dispatch (FP8): SMs 24, NVL chunk 30: \(rates)
      [tuning] Best dispatch (BF16): SMs 24, NVL chunk 30: \(rates)
      [tuning] Best combine: SMs 24, NVL chunk 8: \(rates)

      """
    var facts = MeasurementFacts()
    (facts.ranks, facts.nodes) = (8 * nodes, nodes)
    let base = try Cluster.shipped("h100-2048")
    var rule: String?
    do throws(ConfigurationError) {
      let measured = try BenchmarkFormat.read(text: text, file: "0.txt", facts).measurements
      _ = try Calibrator(base: base, named: "h100-2048", facts: facts).fit(
        measured, name: "mine", file: "mine.yaml")
    } catch { rule = error.description }
    #expect((rule == nil) == (word == nil), "\(rule ?? "taken")")
    if let word { #expect(rule?.contains(word) == true && rule?.contains("0.txt:2:") == true) }
  }

  @Test func anAverageIsNotAboveItsPeak() throws {
    let text = BenchmarkFileTests.perftest("Gb/sec", " 65536 5000 180.0 380.0 0.724792\n")
    #expect(try outcome([text]).rule?.contains("average of 380.0 above the peak of 180.0") == true)
  }
}
