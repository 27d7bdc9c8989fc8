import Calibration
import Documents
import Foundation
import TestSupport
import Testing

/// Traces of PyTorch's profiler, of which every event is read by itself.
@Suite struct KinetoTraceTests {
  /// One event of a device; times in microseconds, as they are written.
  static func kernel(
    _ name: String, _ start: String, _ duration: String, stream: Int = 7, _ more: String = ""
  ) -> String {
    #"{"ph": "X", "cat": "kernel", "name": "\#(name)", "pid": 0, "tid": \#(stream), "ts": \#(start), "dur": \#(duration), "args": {"stream": \#(stream), "device": 0\#(more)}}"#
  }

  static let message =
    #", "Collective name": "_allgather_base", "In msg nelems": 1048576, "Out msg nelems": 16777216, "dtype": "BFloat16", "Group size": 16, "Process Group Ranks": "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]""#

  static func trace(_ events: [String]) -> String {
    #"{"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "NVIDIA H800", "numSms": 132}],"#
      + "\n \"traceEvents\": [\n" + events.joined(separator: ",\n")
      + "\n], \"traceName\": \"a]b}\"}\n"
  }

  static let events = [
    #"{"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "ts": 1740461679479712, "dur": 85, "args": {"External id": 5, "Input Dims": [[4096, 7168], [7168, 2048]], "Input type": ["c10::BFloat16", "c10::BFloat16"]}}"#,
    kernel("sm90_gemm_bf16_128x256", "1740461679479740", "170", stream: 7, #", "External id": 5"#),
    kernel(
      "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "1740461679479750.500",
      "900.250", stream: 20, message),
    kernel(
      "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "1740461679481000",
      "700", stream: 20, message),
    #"{"ph": "X", "cat": "gpu_user_annotation", "name": "step", "pid": 0, "tid": 7, "ts": 1740461679479740, "dur": 5000}"#,
    #"{"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (Pinned -> Device)", "pid": 0, "tid": 7, "ts": 1740461679480700, "dur": 100, "args": {"stream": 7, "bytes": 5300000}}"#,
    #"{"ph": "s", "id": 42, "cat": "ac2g", "name": "a \"quoted\" {name", "ts": 1}"#,
  ]

  private func read(_ text: String, nodes: Int? = 8) throws -> Measurements {
    let folder = try ScratchFolder()
    let path = try folder.write(text, to: "trace.json")
    return try BenchmarkFormat.read(path, devicesPerNode: nodes).measurements
  }

  /// Ranks that no number of a machine's holds end nothing; a time of that kind is refused with its line.
  @Test func numbersThatAreNone() throws {
    let ranks = Self.message.replacing("[0, 1, 2,", with: "[1e300, 1, 2,")
    let product = Self.kernel("sm90_gemm_bf16_128x256", "1740461679479740", "170")
    let message = Self.kernel("ncclDevKernel_AllGather_RING_LL", "1740461679479740", "700", ranks)
    let found = try read(Self.trace([product, message]))
    // Which nodes the group lies on is not known then.
    #expect(found.collectives.count == 1 && found.collectives.first?.nodes == nil)
    let endless = Self.kernel("sm90_gemm_bf16_128x256", "1740461679479000", "9000000000000000")
    let error = #expect(throws: ConfigurationError.self) {
      try read(Self.trace([product, endless, message]))
    }
    let words = error?.description ?? ""
    #expect(words.contains("trace.json:4") && words.contains("traceEvents[1].dur"), "\(words)")
  }

  @Test func events() throws {
    let found = try read(Self.trace(Self.events))
    let trace = try #require(found.traces.first)
    #expect(trace.device == "NVIDIA H800")
    // Of equal messages the shortest counts; groups lie on nodes of eight.
    #expect(found.collectives.map(\.kind) == [.allGather] && found.collectives.map(\.nodes) == [2])
    #expect(found.collectives.map(\.bytes) == [33_554_432])
    #expect(found.collectives.allSatisfy { abs($0.seconds - 700e-6) < 1e-12 })
    #expect(found.products.map(\.shape.columns) == [2048] && found.products[0].seconds == 170e-6)
    #expect(found.values.map(\.text) == ["53 GB/s"])
    // Annotations repeat kernels: they are not in the sums.
    #expect(abs(trace.computing - 270e-6) < 1e-12)
    #expect(abs(trace.communicating - 1600.25e-6) < 1e-12)
    // 159.5 us of the product lie beside a message.
    #expect(abs(trace.exposed - (1600.25e-6 - 159.5e-6)) < 1e-9)
    #expect(abs(trace.seconds - 1960e-6) < 1e-12)
  }

  /// Lists over several lines, blanks around colons and times with exponents say the same.
  @Test func whiteSpaceSaysNothing() throws {
    let text = Self.trace(Self.events)
    let tree = try JSONSerialization.jsonObject(with: Data(text.utf8))
    let pretty = try JSONSerialization.data(
      withJSONObject: tree, options: [.prettyPrinted, .sortedKeys])
    let (plain, found) = (try read(text), try read(String(decoding: pretty, as: UTF8.self)))
    #expect(found.products.map(\.shape) == plain.products.map(\.shape))
    #expect(found.products.map(\.seconds) == [170e-6] && found.remarks.count == plain.remarks.count)
    #expect(found.collectives.map(\.bytes) == plain.collectives.map(\.bytes))
    #expect(found.collectives.map(\.nodes) == [2] && found.traces.first?.device == "NVIDIA H800")
    let short = try read(Self.trace([Self.kernel("sm90_gemm_bf16_128x256", "1", "1.5e-02")]))
    #expect(abs((short.traces.first?.computing ?? 0) - 15e-9) < 1e-18)
  }

  /// What was measured stands in the line in which its event begins, on lines of its own or spread over many.
  @Test func linesOfEvents() throws {
    let plain = try read(Self.trace(Self.events))
    #expect(plain.products.map(\.place.line) == [4] && plain.collectives.map(\.place.line) == [6])
    let tree = try JSONSerialization.jsonObject(with: Data(Self.trace(Self.events).utf8))
    let data = try JSONSerialization.data(
      withJSONObject: tree, options: [.prettyPrinted, .sortedKeys])
    let text = String(decoding: data, as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let found = try read(text)
    let product = try #require(found.products.first).place.line
    let message = try #require(found.collectives.first).place.line
    // The shorter of two messages is the later one.
    func event(_ line: Int) -> String { lines[(line - 1)..<min(lines.count, line + 40)].joined() }
    #expect(lines[product - 1].contains("{") && event(product).contains("External id"))
    #expect(lines[message - 1].contains("{") && event(message).contains("_allgather_base"))
    #expect(found.devices.map { lines[$0.place.line - 1].contains("deviceProperties") } == [true])
    #expect(message > product && found.values.allSatisfy { $0.place?.line ?? 0 > message })
  }

  /// Compressed, as an outermost list, with older names of categories.
  @Test func otherForms() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(Self.trace(Self.events), to: "trace.json")
    #expect(try Launch.run(["gzip", "-k", path]).status == 0)
    let packed = try BenchmarkFormat.read(path + ".gz", devicesPerNode: 8).measurements
    let plain = try BenchmarkFormat.read(path, devicesPerNode: 8).measurements
    #expect(packed.traces.first?.kernels == plain.traces.first?.kernels)
    let list = "[" + Self.events.joined(separator: ",") + "]"
    let older = list.replacing(#""cat": "kernel""#, with: #""cat": "Kernel""#)
    #expect(try read(older).traces.first?.kernels == plain.traces.first?.kernels)
    // A file that ends in the middle of its compression.
    let bytes = try contents(of: path + ".gz")
    let cut = try folder.write(Array(bytes.prefix(bytes.count / 2)), to: "cut.json.gz")
    let error = #expect(throws: ConfigurationError.self) { try BenchmarkFormat.read(cut) }
    #expect(error?.description.contains("gzip cannot take it apart") == true)
  }

  @Test(arguments: [
    ("{}", "without traceEvents"), ("{\"traceEvents\": []}", "no kernel of a device"),
    ("{\"traceEvents\": [{\"ph\": \"X\"}", "the trace is cut"), ("{]}", "broken JSON"),
    ("{\"traceEvents\": [{}]} x", "broken JSON"), ("{\"traceEvents\": [{},, {}]}", "broken JSON"),
  ])
  func faults(text: String, rule: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try read(text) }
    #expect(error?.description.contains(rule) == true, "\(String(describing: error))")
  }

  /// Messages whose kernels say nothing of them are counted and said.
  @Test func messagesWithoutSizes() throws {
    let product = Self.kernel("sm90_gemm_bf16_128x256", "1740461679479740", "170")
    let message = Self.kernel("ncclDevKernel_AllGather_RING_LL", "1740461679479950", "700")
    let found = try read(Self.trace([product, message, message]))
    #expect(found.collectives.isEmpty)
    #expect(
      found.remarks.contains { $0.contains("2 x messages left out: their kernels do not say") })
  }

  /// Changed and shortened text ends in an error or in fewer events.
  @Test func fuzzed() throws {
    var random = TestSupport.SplitMix64(state: 5)
    let folder = try ScratchFolder()
    for index in 0..<150 {
      let bytes = mutated(Self.trace(Self.events), using: &random)
      let path = try folder.write(bytes, to: "trace\(index % 4).json")
      guard let found = try? BenchmarkFormat.read(path, devicesPerNode: 8).measurements else {
        continue
      }
      #expect(found.collectives.allSatisfy { $0.seconds > 0 && $0.seconds.isFinite })
    }
  }

  /// 24 MB in pieces: events that lie across pieces are whole, and all of them are counted.
  @Test func largeTraces() throws {
    let filler = String(repeating: "x", count: 200)
    let events = (0..<60_000).map { index in
      Self.kernel("elementwise_kernel<\(filler)>", "\(1_740_461_679_479_740 + 10 * index)", "4")
    }
    let found = try read(Self.trace(events))
    let trace = try #require(found.traces.first)
    #expect(trace.kernels.map(\.count) == [60_000])
    #expect(abs(trace.computing - 0.24) < 1e-9)
    #expect(found.values.map(\.text) == ["6 us"])
  }
}
