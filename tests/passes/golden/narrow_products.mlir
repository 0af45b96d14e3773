// narrow-products
program @top level affine {
  buffer @x: 4x8xbf16 input
  buffer @w: 8xbf16 input
  buffer @out: 4xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @n0(%i: 4, %k: 8 reduces 0) macs 32 {
      stage 0 {
        %zero = constant 0x00000000 : f32
        carry %acc = %zero next %next : f32
        %x_short = load @x[%i, %k] : bf16
        %x = arith.extf %x_short : (bf16) -> f32
        %w_short = load @w[%k] : bf16
        %w = arith.extf %w_short : (bf16) -> f32
        %half = constant 0x3f000000 : f32
        %third = constant 0x3eaaaaab : f32
        %p = arith.mulf %x, %w : f32
        %q = arith.mulf %half, %x : f32
        %r = arith.mulf %x, %third : f32
        %s = arith.addf %p, %q : f32
        %t = arith.addf %s, %r : f32
        %next = arith.addf %acc, %t : f32
      }
      stage 1 {
        store %next to @out[%i]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 4x8xbf16 input
  buffer @w: 8xbf16 input
  buffer @out: 4xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @n0(%i: 4, %k: 8 reduces 0) macs 32 {
      stage 0 {
        %zero = constant 0x00000000 : f32
        carry %acc = %zero next %next : f32
        %x_short = load @x[%i, %k] : bf16
        %x = arith.extf %x_short : (bf16) -> f32
        %w_short = load @w[%k] : bf16
        %third = constant 0x3eaaaaab : f32
        %p = arith.mulf %x_short, %w_short : (bf16, bf16) -> f32 model @bf16_mul_f32
        %q_factor0 = constant 0x3f00 : bf16
        %q = arith.mulf %q_factor0, %x_short : (bf16, bf16) -> f32 model @bf16_mul_f32
        %r = arith.mulf %x, %third : f32
        %s = arith.addf %p, %q : f32
        %t = arith.addf %s, %r : f32
        %next = arith.addf %acc, %t : f32
      }
      stage 1 {
        store %next to @out[%i]
      }
    }
  }
  model {
    |func.func private @bf16_mul_f32(%left: bf16, %right: bf16) -> f32 {
    |  %c0 = arith.constant 7 : i16
    |  %c1 = arith.constant 0 : i8
    |  %c2 = arith.constant true
    |  %c3 = arith.constant -1 : i8
    |  %c4 = arith.constant 0 : i7
    |  %c5 = arith.constant 15 : i16
    |  %c6 = arith.constant 7 : i8
    |  %c7 = arith.constant 0 : i2
    |  %c8 = arith.constant -127 : i10
    |  %c9 = arith.constant false
    |  %c10 = arith.constant 1 : i16
    |  %c11 = arith.constant 9 : i10
    |  %c12 = arith.constant 8 : i10
    |  %c13 = arith.constant 0 : i10
    |  %c14 = arith.constant -2 : i8
    |  %c15 = arith.constant 0 : i22
    |  %c16 = arith.constant 0 : i23
    |  %c17 = arith.constant 23 : i31
    |  %c18 = arith.constant 8 : i31
    |  %c19 = arith.constant 22 : i31
    |  %c20 = arith.constant 31 : i32
    |  %c21 = arith.constant 23 : i32
    |  %c22 = arith.constant 22 : i32
    |  %v1 = arith.bitcast %left : bf16 to i16
    |  %v2 = arith.bitcast %right : bf16 to i16
    |  %v3 = arith.trunci %v1 : i16 to i7
    |  %v4 = arith.shrui %v1, %c0 : i16
    |  %v5 = arith.trunci %v4 : i16 to i8
    |  %v6 = arith.cmpi ne, %v5, %c1 : i8
    |  %v7 = arith.xori %v6, %c2 : i1
    |  %v8 = arith.cmpi eq, %v5, %c3 : i8
    |  %v9 = arith.cmpi ne, %v3, %c4 : i7
    |  %v10 = arith.shrui %v1, %c5 : i16
    |  %v11 = arith.trunci %v10 : i16 to i1
    |  %v12 = arith.andi %v8, %v9 : i1
    |  %v13 = arith.trunci %v2 : i16 to i7
    |  %v14 = arith.shrui %v2, %c0 : i16
    |  %v15 = arith.trunci %v14 : i16 to i8
    |  %v16 = arith.cmpi ne, %v15, %c1 : i8
    |  %v17 = arith.xori %v16, %c2 : i1
    |  %v18 = arith.cmpi eq, %v15, %c3 : i8
    |  %v19 = arith.cmpi ne, %v13, %c4 : i7
    |  %v20 = arith.shrui %v2, %c5 : i16
    |  %v21 = arith.trunci %v20 : i16 to i1
    |  %v22 = arith.andi %v18, %v19 : i1
    |  %v23 = arith.ori %v12, %v22 : i1
    |  %v24 = arith.andi %v8, %v17 : i1
    |  %v25 = arith.ori %v23, %v24 : i1
    |  %v26 = arith.andi %v7, %v18 : i1
    |  %v27 = arith.ori %v25, %v26 : i1
    |  %v28 = arith.ori %v8, %v18 : i1
    |  %v29 = arith.ori %v7, %v17 : i1
    |  %v30 = arith.extui %v6 : i1 to i8
    |  %v31 = arith.shli %v30, %c6 : i8
    |  %v32 = arith.extui %v3 : i7 to i8
    |  %v33 = arith.ori %v31, %v32 : i8
    |  %v34 = arith.extui %v5 : i8 to i10
    |  %v35 = arith.extui %v16 : i1 to i8
    |  %v36 = arith.shli %v35, %c6 : i8
    |  %v37 = arith.extui %v13 : i7 to i8
    |  %v38 = arith.ori %v36, %v37 : i8
    |  %v39 = arith.extui %v15 : i8 to i10
    |  %v40 = arith.extui %v33 : i8 to i16
    |  %v41 = arith.extui %v38 : i8 to i16
    |  %v42 = arith.muli %v40, %v41 : i16
    |  %v43 = arith.shrui %v42, %c5 : i16
    |  %v44 = arith.trunci %v43 : i16 to i1
    |  %v45 = arith.addi %v34, %v39 : i10
    |  %v46 = arith.addi %v45, %c8 : i10
    |  %v47 = arith.trunci %v42 : i16 to i15
    |  %v48 = arith.extui %v47 : i15 to i16
    |  %v49 = arith.shli %v48, %c10 : i16
    |  %v50 = arith.select %v44, %v42, %v49 : i16
    |  %v51 = arith.xori %v11, %v21 : i1
    |  %v52 = arith.trunci %v50 : i16 to i15
    |  %v53 = arith.shrui %v46, %c11 : i10
    |  %v54 = arith.trunci %v53 : i10 to i1
    |  %v55 = arith.trunci %v46 : i10 to i8
    |  %v56 = arith.shrui %v46, %c12 : i10
    |  %v57 = arith.trunci %v56 : i10 to i1
    |  %v58 = arith.ori %v29, %v54 : i1
    |  %v59 = arith.ori %v27, %v28 : i1
    |  %v60 = arith.xori %v54, %c2 : i1
    |  %v61 = arith.cmpi eq, %v55, %c3 : i8
    |  %v62 = arith.ori %v57, %v61 : i1
    |  %v63 = arith.andi %v60, %v62 : i1
    |  %v64 = arith.xori %v29, %c2 : i1
    |  %v65 = arith.andi %v63, %v64 : i1
    |  %v66 = arith.ori %v59, %v65 : i1
    |  %v67 = arith.ori %v58, %v66 : i1
    |  %v68 = arith.cmpi ne, %v46, %c13 : i10
    |  %v69 = arith.xori %v68, %c2 : i1
    |  %v70 = arith.xori %v44, %c2 : i1
    |  %v71 = arith.andi %v69, %v70 : i1
    |  %v72 = arith.ori %v67, %v71 : i1
    |  %v73 = arith.cmpi eq, %v55, %c14 : i8
    |  %v74 = arith.andi %v44, %v73 : i1
    |  %v75 = arith.ori %v72, %v74 : i1
    |  %v76 = arith.xori %v58, %c2 : i1
    |  %v77 = arith.andi %v44, %v76 : i1
    |  %v78 = arith.select %v58, %c1, %v55 : i8
    |  %v79 = arith.extui %v78 : i8 to i31
    |  %v80 = arith.shli %v79, %c17 : i31
    |  %v81 = arith.extui %v52 : i15 to i31
    |  %v82 = arith.shli %v81, %c18 : i31
    |  %v83 = arith.ori %v80, %v82 : i31
    |  %v84 = arith.extui %v77 : i1 to i31
    |  %v85 = arith.shli %v84, %c17 : i31
    |  %v86 = arith.addi %v83, %v85 : i31
    |  %v87 = arith.shrui %v86, %c17 : i31
    |  %v88 = arith.trunci %v87 : i31 to i8
    |  %v89 = arith.select %v66, %c3, %v88 : i8
    |  %v90 = arith.shrui %v86, %c19 : i31
    |  %v91 = arith.trunci %v90 : i31 to i1
    |  %v92 = arith.xori %v75, %c2 : i1
    |  %v93 = arith.andi %v91, %v92 : i1
    |  %v94 = arith.ori %v27, %v93 : i1
    |  %v95 = arith.xori %v27, %c2 : i1
    |  %v96 = arith.andi %v51, %v95 : i1
    |  %v97 = arith.trunci %v86 : i31 to i22
    |  %v98 = arith.select %v75, %c15, %v97 : i22
    |  %v99 = arith.extui %v96 : i1 to i32
    |  %v100 = arith.shli %v99, %c20 : i32
    |  %v101 = arith.extui %v89 : i8 to i32
    |  %v102 = arith.shli %v101, %c21 : i32
    |  %v103 = arith.ori %v100, %v102 : i32
    |  %v104 = arith.extui %v94 : i1 to i32
    |  %v105 = arith.shli %v104, %c22 : i32
    |  %v106 = arith.ori %v103, %v105 : i32
    |  %v107 = arith.extui %v98 : i22 to i32
    |  %v108 = arith.ori %v106, %v107 : i32
    |  %v109 = arith.bitcast %v108 : i32 to f32
    |  return %v109 : f32
    |}
    |
  }
}
// exact products: ['n0']
