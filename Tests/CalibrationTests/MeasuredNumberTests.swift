import Calibration
import Documents
import TestSupport
import Testing

/// What no clock has measured, in every format and every column that decides a figure.
@Suite struct MeasuredNumberTests {
  /// A file with a hole where a number stands, the line of the hole, and a number that belongs there.
  struct Form: CustomTestStringConvertible, Sendable {
    var name: String
    var text: String
    var line: Int
    var good: String
    /// Whether 0 is a value there, as rounding or one node leaves it.
    var takesZero = false

    var testDescription: String { name }
  }

  static let nccl =
    BenchmarkFileTests.head
    + "\n     1048576    262144     float     sum      -1   TIME   RATE   BUS       0    99.00   "
    + "10.59   10.59       0\n"
  static let deepEP =
    "[config] num_tokens=4096, hidden=7168, num_topk=8\n[tuning] Best dispatch (FP8): SMs 24, "
    + "NVL chunk 30, LINK GB/s (NVL), t: TIME us\n"
  static let sweep = "m,n,k,dtype,time_us,tflops\n4096,24576,1536,bf16,TIME,RATE\n"
  static let probe =
    "part,name,library,direction,format,shape,microseconds,fastest,slowest,runs,flops,bytes,"
    + "clock_mhz,watts,note\n# device: NVIDIA H100\n# multiprocessors: 132\n"
    + "products,linear,vendor,forward,bf16,m=8192 n=8192 k=8192,TIME,,,,,,,,\n"

  static func filled(_ text: String, _ values: [String: String]) -> String {
    values.reduce(text) { $0.replacing($1.key, with: $1.value) }
  }

  static let forms: [Form] = [
    Form(
      name: "nccl-tests, time",
      text: filled(nccl, ["TIME": "HOLE", "RATE": "10.49", "BUS": "10.49"]),
      line: 3, good: "100.00"),
    Form(
      name: "nccl-tests, bus rate",
      text: filled(nccl, ["TIME": "100.00", "RATE": "10.49", "BUS": "HOLE"]), line: 3,
      good: "10.49", takesZero: true),
    Form(
      name: "perftest, average",
      text: BenchmarkFileTests.perftest("Gb/sec", " 65536 5000 0.00 HOLE 0.741520\n"), line: 6,
      good: "388.77"),
    Form(
      name: "perftest, peak",
      text: BenchmarkFileTests.perftest("Gb/sec", " 65536 5000 HOLE 388.77 0.741520\n"), line: 6,
      good: "388.77", takesZero: true),
    Form(
      name: "perftest, messages",
      text: BenchmarkFileTests.perftest("Gb/sec", " 65536 5000 0.00 388.77 HOLE\n"), line: 6,
      good: "0.741520", takesZero: true),
    Form(
      name: "perftest, latency",
      text: "RDMA_Write Latency Test\n#bytes #iterations t_avg[usec] tps average\n2 1000 HOLE 5\n",
      line: 3, good: "1.9"),
    Form(
      name: "OSU, latency", text: "# OSU MPI Latency Test v7.5\n# Size   Latency (us)\n8  HOLE\n",
      line: 3, good: "1.73"),
    Form(
      name: "OSU, rate",
      text: "# OSU MPI Bandwidth Test v7.5\n# Size   Bandwidth (MB/s)\n1048576  HOLE\n", line: 3,
      good: "8400.00"),
    Form(
      name: "DeepEP, rate", text: filled(deepEP, ["LINK": "HOLE", "TIME": "1041.49"]), line: 2,
      good: "153.43"),
    Form(
      name: "DeepEP, time", text: filled(deepEP, ["LINK": "153.43", "TIME": "HOLE"]), line: 2,
      good: "1041.49"),
    Form(
      name: "table, time", text: filled(sweep, ["TIME": "HOLE", "RATE": "653.0"]), line: 2,
      good: "473.6"),
    Form(
      name: "table, rate", text: filled(sweep, ["TIME": "473.6", "RATE": "HOLE"]), line: 2,
      good: "653.0"),
    Form(
      name: "mamf-finder",
      text: "** Dtype: torch.bfloat16\nThe best outcome was HOLETFLOPS @ 2048x2048x13312 (MxNxK)\n",
      line: 2, good: "792.1"),
    Form(
      name: "mamf-finder, mean",
      text: "** Dtype: torch.bfloat16\n 1 |  HOLE(mean)  610.0(median) @ 2048x4096x4096 | best:\n",
      line: 2, good: "600.1"),
    Form(
      name: "probe, time", text: filled(probe, ["TIME": "HOLE"]), line: 4, good: "1600.5"),
  ]

  static func rule(_ form: Form, _ value: String) -> String? {
    var facts = MeasurementFacts()
    (facts.ranks, facts.nodes, facts.isInsideNode) = (form.name.hasPrefix("nccl") ? 2 : 8, 1, true)
    if form.name.hasPrefix("nccl") { facts.collective = .allReduce }
    let text = form.text.replacing("HOLE", with: value)
    do {
      _ = try BenchmarkFormat.read(text: text, file: "log.txt", facts)
      return nil
    } catch { return error.description }
  }

  @Test(arguments: forms) func nothingIsMeasuredSo(form: Form) {
    #expect(Self.rule(form, form.good) == nil)
    for value in ["nan", "-nan", "inf", "-inf", "1e999", "-\(form.good)", "0", "0.00"] {
      let rule = Self.rule(form, value)
      if form.takesZero, value.hasPrefix("0") {
        #expect(rule?.contains("expected") != true, "\(value): \(rule ?? "")")
      } else {
        #expect(rule?.contains("log.txt:\(form.line)") == true, "\(value): \(rule ?? "taken")")
        #expect(rule?.contains("expected") == true, "\(value): \(rule ?? "taken")")
      }
    }
  }

  /// Rates of small messages are rounded to two decimals; of large ones 0.00 is no rate.
  @Test func roundedRates() throws {
    let text = "# OSU MPI Bandwidth Test v7.5\n# Size   Bandwidth (MB/s)\n1  0.00\n1048576  80.5\n"
    let found = try BenchmarkFileTests.read(text) { $0.isInsideNode = true }.measurements
    #expect(found.messages.map(\.bytes) == [1_048_576])
    let small = BenchmarkFileTests.perftest(
      "Gb/sec", " 2 1000 0.00 0.00 0.10\n 65536 5000 9.0 8.0 0\n")
    #expect(try BenchmarkFileTests.read(small).measurements.messages.map(\.bytes) == [65_536])
  }

  @Test(arguments: ["-8", "nan", "inf", "1.5"]) func sizes(size: String) {
    let texts = [
      "# OSU MPI Latency Test v7.5\n# Size   Latency (us)\n\(size)  1.73\n",
      BenchmarkFileTests.perftest("Gb/sec", " \(size) 5000 0.00 388.77 0.741520\n"),
    ]
    for text in texts {
      let rule = BenchmarkFileTests.rule(text) { $0.isInsideNode = true }
      #expect(rule.contains("expected a size in whole bytes"), "\(rule)")
    }
  }

  /// Empty cells and `N/A` are no numbers: such a row is left out, and said.
  @Test(arguments: ["", "N/A", "failed"]) func cellsWithoutNumbers(cell: String) throws {
    let text = Self.filled(Self.sweep, ["TIME": cell, "RATE": cell]) + "64,64,64,bf16,5,\n"
    let found = try BenchmarkFileTests.read(text).measurements
    #expect(found.products.count == 1 && abs(found.products[0].seconds - 5e-6) < 1e-18)
    #expect(found.remarks.contains { $0.contains("log.txt:2: left out") })
    // One of both is enough.
    let rate = try BenchmarkFileTests.read(Self.filled(Self.sweep, ["TIME": cell, "RATE": "653"]))
    #expect(rate.measurements.products.count == 1)
  }

  /// Rows that move nothing, that are cut, or that hold no time are left out, and counted by why with the first line.
  @Test func rowsThatAreLeftOut() throws {
    let nccl =
      BenchmarkFileTests.whole + """
        0  0  float  sum  -1  7.10  0.00  0.00  0  7.10  0.00  0.00  0
        0  0  float  sum  -1  7.20  0.00  0.00  0  7.10  0.00  0.00  0
        4194304  1048576  float  sum  -1  N/A  N/A  N/A  0  7.10  0.00  0.00  0
        8388608  2097152  float  sum
        16777216  4194304  float  sum  -1  152.
        """
    let found = try BenchmarkFileTests.read(nccl).measurements
    #expect(found.collectives.count == 3)
    let counts = ["the first of 2 rows left out, cut short", "2 rows left out, of 0 bytes"]
    for words in counts + ["a row left out, without a time"] {
      #expect(found.remarks.contains { $0.contains(words) }, "\(words): \(found.remarks)")
    }
    let osu = "# OSU MPI Latency Test v7.5\n# Size   Latency (us)\n0  1.7\n8  1.8\n16  1."
    let messages = try BenchmarkFileTests.read(osu) { $0.isInsideNode = true }.measurements
    #expect(messages.messages.map(\.bytes) == [8])
    #expect(messages.remarks.contains { $0.contains(":3: a row left out, of 0 bytes") })
    #expect(messages.remarks.contains { $0.contains(":5: a row left out, cut short") })
  }

  /// What the probe writes of a difference of two times may be nothing, and nothing is fitted to it.
  @Test func differencesOfTheProbe() throws {
    let text =
      Self.filled(Self.probe, ["TIME": "1600.5"])
      + "issue,product-of-numbers,eager,forward,,chain=2,0.000,,,,,,,,\n"
      + "issue,layer,eager,backward,,kernels=9,0.000,,,,,,,,\n"
    let found = try BenchmarkFileTests.read(text).measurements
    #expect(found.products.count == 1 && found.remarks.contains { $0.contains("1 x issue") })
    #expect(found.remarks.contains { $0.contains("1 rows without a time") })
    let broken = BenchmarkFileTests.rule(text.replacing("kernels=9,0.000", with: "kernels=9,nan"))
    #expect(broken.contains("log.txt:6") && broken.contains("of at least 0"))
  }

  @Test(arguments: ["NaN", "Infinity", "-3", "1e30"]) func tracesOfNoTime(value: String) throws {
    let folder = try ScratchFolder()
    let events = KinetoTraceTests.events.joined(separator: ",\n")
    let path = try folder.write(
      "{\"traceEvents\": [\n"
        + events.replacing("\"dur\": 170", with: "\"dur\": \(value)") + "]}", to: "trace.json")
    let error = #expect(throws: ConfigurationError.self) { try BenchmarkFormat.read(path) }
    let words = error?.description ?? ""
    #expect(words.contains("trace.json:") && words.contains("].dur"), "\(words)")
    #expect(words.contains(value), "\(words)")
  }
}
