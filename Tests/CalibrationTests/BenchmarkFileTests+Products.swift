import Calibration
import Costs
import Documents
import TestSupport
import Testing

/// Tables of products, files that are none of the formats, and broken ones.
extension BenchmarkFileTests {
  // MARK: Products

  @Test func productSweep() throws {
    let text = """
      m,n,k,dtype,layout,batch,time_us,tflops
      4096,7168,2048,fp8_e4m3,NT,1,117.3,1025.2
      4096,24576,1536,bf16,NT,1,473.6,653.0
      8192,4096,7168,bf16,TN,4,2950.0,652.3

      """
    let found = try Self.read(text) { $0.library = .fp8PerTensor }
    #expect(found.format == .products)
    #expect(found.measurements.products.map(\.library) == [.fp8PerTensor, .bf16, .bf16])
    #expect(found.measurements.products[2].shape.rows == [8192, 8192, 8192, 8192])
    #expect(Self.rule(text).contains("--library cublaslt-fp8"))
    let wrong = text.replacing("time_us", with: "time_ms")
    #expect(Self.rule(wrong) { $0.library = .fp8PerTensor }.contains("the units contradict"))
    let key = "shape,dtype,tflops\n\"b=1, m=4096, k=5120, n=1536, layout=TN\",bf16,600\n"
    #expect(try Self.read(key).measurements.products[0].shape.depth == 5120)
  }

  /// Two columns of one name, and two times that say something else.
  @Test func columnsThatContradictEachOther() {
    let row = "128,4096,4096,bf16"
    #expect(
      Self.rule("m,n,k,dtype,dtype,time_us\n\(row),fp8,18.16\n").contains("has two columns dtype"))
    let times = Self.rule("m,n,k,dtype,time_us,time_ms\n\(row),18.42,18.42\n")
    #expect(times.contains("the columns contradict each other: time_us 18.42, time_ms 18.42"))
  }

  /// Old and new versions; every shape stands between carriage returns on the terminal.
  @Test func mamfFinder() throws {
    let best = """
      ** Dtype: torch.bfloat16
      The best outcome was 792.1TFLOPS @ 2048x2048x13312 (MxNxK) (tried 79 shapes)

      """
    let (format, found) = try Self.read(best)
    #expect(format == .mamf && found.products.map(\.shape.depth) == [13312])
    let older = best.replacing("2048x2048x13312 (MxNxK)", with: "2048x13312x1024 (MxKxN)")
    #expect(try Self.read(older).measurements.products.map(\.shape.columns) == [1024])
    let terminal =
      "** Dtype: torch.bfloat16\n"
      + "     1 |  600.1(mean)  610.0(median)  620.0(max) @ 2048x4096x4096       | best:  "
      + "600.1(mean)\r"
      + "     2 |  650.0(mean)  660.0(median)  670.0(max) @ 4096x4096x4096       | best:  "
      + "650.0(mean)\r\u{1B}[K\n"
      + "Tried 2 shapes => the best outcomes were:\nmean:   650.0 TFLOPS @ 4096x4096x4096 (MxNxK)\n"
      + "median: 660.0 TFLOPS @ 4096x4096x4096 (MxNxK)\n"
    let products = try Self.read(terminal).measurements.products
    #expect(products.map { $0.shape.rows[0] } == [2048, 4096])
    #expect(abs(products[0].seconds - 2 * 2048 * 4096 * 4096 / 600.1e12) < 1e-12)
    let fourth =
      "** Dtype: torch.bfloat16\nMAMF: 800.0 TFLOPS @ 4096x4096x4096 (MxNxK)\n"
      + "MSMF: 700.0 TFLOPS @ 8192x4096x4096 (MxNxK)\n"
    #expect(try Self.read(fourth).measurements.products.map { $0.shape.rows[0] } == [8192])
  }

  // MARK: What is none of them

  @Test func otherFilesAreRefused() {
    #expect(Self.rule("hello\n").contains("is of no format that can be read"))
    #expect(Self.rule("a\0b").contains("is not text"))
    #expect(
      Self.rule(Self.whole + "# OSU MPI Latency Test v7.5\n").contains(
        "give each a file of its own"))
  }

  /// Broken text ends in an error or in fewer rows, never in a trap, and values stay finite.
  @Test func fuzzedTexts() {
    var random = TestSupport.SplitMix64(state: 13)
    let texts = [
      Self.whole, Self.perftest("Gb/sec", " 65536 5000 0.00 388.77 0.741520\n"),
      "# OSU MPI Latency Test v7.5\n# Size   Latency (us)\n1  1.73\n",
      "[config] num_tokens=4096, hidden=7168, num_topk=8\n[tuning] Best dispatch (FP8): SMs 24, "
        + "NVL chunk 30, 153.43 GB/s (NVL), t: 1041.49 us\n",
      "m,n,k,dtype,layout,batch,time_us,tflops\n4096,24576,1536,bf16,NT,1,473.6,653.0\n",
      "** Dtype: torch.bfloat16\nThe best outcome was 792.1TFLOPS @ 2048x2048x13312 (MxNxK)\n",
    ]
    var readable = 0
    for text in texts {
      for _ in 0..<150 {
        let broken = String(decoding: mutated(text, using: &random), as: UTF8.self)
        var facts = MeasurementFacts()
        (facts.ranks, facts.nodes, facts.isInsideNode) = (8, 1, true)
        guard let found = try? BenchmarkFormat.read(text: broken, file: "f", facts).measurements
        else {
          continue
        }
        readable += 1
        let values =
          found.collectives.map(\.seconds) + found.messages.map(\.value)
          + found.products.map(\.seconds) + found.exchanges.map(\.seconds)
        #expect(values.allSatisfy { $0.isFinite && $0 > 0 })
      }
    }
    #expect(readable > 20)
  }
}
