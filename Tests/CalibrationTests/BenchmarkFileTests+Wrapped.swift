import Calibration
import Documents
import TestSupport
import Testing

/// Outputs as they come out of loggers, containers, spreadsheets and other systems' shells.
extension BenchmarkFileTests {
  /// What a logger or a container puts in front of every line is no part of a row.
  @Test(arguments: [
    "2026-01-02 12:00:00,123 - INFO - ", "worker-0  | ", "2026-01-02T12:00:00.123456789Z stdout F ",
    "[launcher] ", "Sun Nov 29 11:22:26 2026[1,0]<stdout>:",
  ])
  func loggersWords(prefix: String) throws {
    let plain = try Self.read(Self.whole).measurements.collectives
    let wrapped = Self.whole.split(separator: "\n", omittingEmptySubsequences: false)
      .map { prefix + $0 }.joined(separator: "\n")
    #expect(try Self.read(wrapped).measurements.collectives == plain)
    let latency = "# OSU MPI Latency Test v7.5\n# Size   Latency (us)\n1  1.73\n2  1.74\n"
    let found = try Self.read(
      latency.split(separator: "\n").map { prefix + $0 }.joined(separator: "\n") + "\n"
    ) { $0.isInsideNode = true }.measurements.messages
    #expect(found.map(\.bytes) == [1, 2] && found.map(\.place.line) == [3, 4])
  }

  /// PowerShell writes UTF-16, with the mark of either order; a file that is cut within a character is refused.
  @Test(arguments: [true, false]) func wideCharacters(isLittle: Bool) throws {
    let folder = try ScratchFolder()
    let units = [0xFEFF] + Array(Self.whole.utf16)
    let bytes = units.flatMap { unit in
      isLittle ? [UInt8(unit & 255), UInt8(unit >> 8)] : [UInt8(unit >> 8), UInt8(unit & 255)]
    }
    let path = try folder.write(bytes, to: "log.txt")
    let found = try BenchmarkFormat.read(path).measurements.collectives
    #expect(
      found.map(\.seconds) == (try Self.read(Self.whole)).measurements.collectives.map(\.seconds))
    let cut = try folder.write(Array(bytes.dropLast()), to: "cut.txt")
    let error = #expect(throws: ConfigurationError.self) { try BenchmarkFormat.read(cut) }
    #expect(error?.description.contains("UTF-16") == true)
  }

  /// What gzip does not take apart is named.
  @Test(
    arguments: [
      ("xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]), ("bzip2", [0x42, 0x5A, 0x68, 0x39]),
      ("zstd", [0x28, 0xB5, 0x2F, 0xFD]), ("zip", [0x50, 0x4B, 0x03, 0x04]),
    ] as [(String, [UInt8])])
  func otherCompression(name: String, magic: [UInt8]) throws {
    let folder = try ScratchFolder()
    let path = try folder.write(magic + [1, 2, 3], to: "log.txt.\(name)")
    let error = #expect(throws: ConfigurationError.self) { try BenchmarkFormat.read(path) }
    #expect(error?.description.contains("is compressed by \(name)") == true)
  }

  /// Logs whose numbers have commas are no heads alone.
  @Test func commasInALog() {
    let text = Self.head + "\n" + Self.rows.replacing(".", with: ",")
    #expect(Self.rule(text).contains("log.txt:3: expected a time and rates as numbers"))
  }

  @Test func nothing() {
    for text in ["", "\n\n", "  \r\n"] { #expect(Self.rule(text).hasSuffix("is empty")) }
  }

  /// Heads as people write them, spreadsheets' commas, and whole numbers as pandas writes them.
  @Test func tablesOfSpreadsheets() throws {
    let plain = try Self.read("m,n,k,dtype,time_us\n4096,2048,1024,bf16,30.5\n").measurements
      .products
    for text in [
      "M;N;K;dtype;Time (us)\n4096;2048;1024;bf16;30,5\n",
      "m,n,k,dtype,avg_time_us\n4096.0,2048.0,1024.0,bf16,30.5\n",
      "m,n,k,dtype,Latency [ms]\n4096,2048,1024,bf16,0.0305\n",
      "m\tn\tk\tdtype\tduration_ns\n4096\t2048\t1024\tbf16\t30500\n",
    ] {
      let found = try Self.read(text).measurements.products
      #expect(found.map(\.shape) == plain.map(\.shape), "\(text)")
      #expect(abs(found[0].seconds - 30.5e-6) < 1e-18, "\(text)")
    }
    #expect(Self.rule("m,n,k,dtype\n64,64,64,bf16\n").contains("none of a time or a rate"))
    #expect(Self.rule("m,n,k,dtype,time_us\n64.5,64,64,bf16,3\n").contains("whole numbers"))
  }

  /// Two traces in one file are not one step.
  @Test func twoTracesInAFile() throws {
    let folder = try ScratchFolder()
    let kernel = #"{"ph":"X","cat":"kernel","name":"gemm","ts":1,"dur":2,"args":{"stream":7}}"#
    let trace = "{\"traceEvents\": [\(kernel)]}\n"
    let one = try folder.write(trace, to: "one.json")
    #expect(try BenchmarkFormat.read(one).measurements.traces.count == 1)
    let two = try folder.write(trace + trace, to: "two.json")
    let error = #expect(throws: ConfigurationError.self) { try BenchmarkFormat.read(two) }
    #expect(error?.line == 2 && error?.description.contains("second trace") == true)
  }
}
