/**
 * A random walk over the UART's registers of QEMU 7.2's virt board, recorded through its qtest protocol:
 * `wN=V` writes V to register N, `rN=V` reads it; hexadecimal.
 * The machine stands still, so the receive time-out never runs out, and the trigger level stays 1 to leave it out.
 */
export const NS16550A_RECORDED = `
w0=4d w0=18 r4=8 r7=0 r4=8 r0=0 w0=23 r4=8 w0=3f r0=0 r0=0 r0=0 r0=0 r2=1 r0=0 r0=0 r2=1 r2=1 r0=0 r0=0 r2=1 r0=0 r0=0
r0=0 r0=0 r2=1 r2=1 r0=0 w2=7 w4=ff w1=e8 w0=7f w4=13 r5=61 w1=af w3=3 w1=25 r6=30 r5=61 r3=3 w0=27 w4=b w0=b3 w1=e9
r0=7f r0=27 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 w3=13 w0=fe r3=13 w0=8e w5=dc
w7=8e w3=3 w2=7 r2=c1 r2=c1 r0=0 r2=c1 r0=0 r5=60 r6=b0 w1=a3 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0
r0=0 r2=c2 r0=0 r0=0 r2=c1 r0=0 r7=8e r0=0 r2=c1 r6=b0 r5=60 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0
r0=0 r4=b w0=d w4=18 r0=0 r0=0 r0=0 r2=c2 w1=a8 w2=9 w4=3 w3=3 r3=3 w0=e r2=c1 w4=ff r7=8e r0=0 r0=0 r0=0 r0=0 r2=c1
r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 w4=1b r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 w0=2b w3=3 r2=c1 r7=8e
r0=2b r0=0 r0=0 r0=0 r2=c1 w1=a r0=0 w1=47 w0=63 w4=13 r2=c4 r2=c4 w4=b r6=b0 w4=10 r0=63 r0=0 r0=0 r0=0 r0=0 r0=0
r2=c2 r2=c1 r0=0 r0=0 r0=0 r0=0 w4=1f r3=3 w1=3d w1=a6 w2=3f w1=36 w5=1d r5=60 r0=0 w1=e w4=1b w0=66 w2=0 w1=f4 w1=7e
w2=3 r0=0 r2=c2 r2=c1 r0=0 r2=c1 r0=0 r2=c1 w2=1 w6=4f r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0
w0=64 w0=2f w3=3 w0=ea w0=9 w0=97 w1=20 r2=c1 r2=c1 r0=64 r0=2f r2=c1 w4=3 w4=18 w0=fd w3=3 r1=0 w0=25 r0=ea w2=3
r2=c1 r0=0 w0=ad r2=c1 w0=89 w2=1 w1=7a r0=ad r2=c2 r0=89 r0=0 r0=0 r0=0 w0=5b r0=5b r2=c2 r0=0 w3=83 r0=c r0=c r2=c1
r0=c r0=c r0=c r0=c r0=c r0=c r0=c r0=c r0=c r0=c r0=c r0=c r0=c r0=c r1=0 r5=60 w0=1 r6=80 w5=90 w1=0 w2=1 w0=1 r0=1
r5=60 r0=1 r2=c1 r0=1 r0=1 r2=c1 r0=1 r2=c1 r0=1 r0=1 r0=1 r0=1 r2=c1 r0=1 r2=c1 r0=1 r0=1 r0=1 r0=1 r4=18 w7=4f w2=7
w4=ff r7=4f w2=1 w4=10 w2=3f r4=10 w4=10 w4=13 r0=1 r5=60 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r2=c2 r0=1 r0=1 r0=1 r0=1 r0=1
r2=c1 w3=3 w4=18 r2=c1 r3=3 w0=c3 r5=61 w4=13 r1=a w0=9b w2=1 r0=c3 w0=32 w2=0 r4=13 r3=3 w0=3c r2=2 w1=9f r2=4 r0=3c
r0=3c r0=3c r0=3c r0=3c r0=3c r0=3c r0=3c r0=3c r2=1 r0=3c r0=3c r2=1 r0=3c r0=3c w5=ba r3=3 w0=51 r3=3 w2=7 w0=48
w0=c0 w0=a9 r5=61 w4=1b r0=48 r0=c0 r0=a9 r0=0 r0=0 r0=0 r0=0 w0=db w4=10 r0=db w4=18 w2=1 r5=60 w0=a1 r5=61 w4=3
w5=cc r0=a1 r0=0 r2=c2 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 w0=c9 r1=f r4=3
r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c2 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 w3=3 w0=ad w4=ff r5=60 r4=1f w1=6e
r2=c2 w0=e4 w0=9f w4=10 r6=0 w3=13 r2=c2 r0=e4 r0=9f r0=0 r0=0 r0=0 r0=0 r2=c1 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0
r0=0 w1=14 r1=4 r0=0 w2=3 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r2=c1 r0=0 r0=0 r4=10 w0=eb r5=61 w2=9 w0=78 w1=e r2=c2 r2=c1
r0=eb r0=78 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 w3=3 w2=9 r5=60 w3=83 r3=83 r0=1 r2=c1 r0=1 r0=1 r0=1 r2=c1 r0=1 r0=1 r0=1
r0=1 r0=1 r2=c1 w0=1 r7=4f r0=1 w3=3 w0=a0 w3=3 r2=c2 r0=a0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r2=c1 r6=0 r0=0
r0=0 r0=0 r0=0 w0=dd r3=3 r4=10 r0=dd r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 w0=ed r0=ed r0=0 w6=ad w0=ab r0=ab r0=0 w0=8d
r7=4f r2=c2 r0=8d r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r2=c1 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 w4=1b w1=c8 w4=13 w0=11
w0=a6 r6=30 w5=24 r0=11 r6=30 w0=e4 r1=8 w0=78 w3=0 w4=18 r7=4f r5=61 w3=3 w0=5f r1=8 r7=4f r0=a6 w0=7d w1=76 w2=1
w2=1 r3=3 w5=76 w4=b r5=61 r0=e4 r7=4f r0=78 w0=5b w0=85 w4=10 r7=4f w3=3 r5=61 w0=16 r5=61 r2=c2 w4=b w0=be r5=61
r0=5f w4=10 w0=d0 r6=0 w2=1 w2=1 w2=7 w2=7 r2=c2 w2=7 r0=0 r0=0 r0=0 r2=c2 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 w0=50 w0=2e
w0=ba w0=53 r0=50 w1=cb r7=4f r2=c4 r0=2e r2=c4 r2=c4 r2=c4 r0=ba r0=53 r0=0 r0=0 r0=0 r0=0 r2=c2 r0=0 r0=0 r0=0 r0=0
r2=c1 w3=0 w4=1f w2=9 w2=9 w4=1f w1=15 w0=50 w0=3f r2=c4 r4=1f w4=10 w2=5 r7=4f w0=9c w2=3 w1=d9 w0=bc w0=e0 r0=bc
w1=fa w0=e4 w4=ff w4=ff w0=22 r6=f0 w0=e2 w1=14 r1=4 r5=61 w4=10 r4=10 w6=45 r0=e0 r2=c1 w3=3 r3=3 r1=4 w2=9 r5=61
w1=81 r7=4f r3=3 r4=10 r0=e4 r0=22 r0=e2 r0=0 r2=c1 r2=c1 r2=c1 r0=0 r0=0 r0=0 r2=c1 r0=0 r2=c1 r0=0 r0=0 r0=0 w5=35
r4=10 w2=7 w3=3 r5=60 w1=b8 w0=29 w0=5a w1=18 r4=10 r7=4f r0=29 r0=5a r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r2=c1
r7=4f w0=36 w1=72 w0=9a w1=68 w0=f3 r0=36 r0=9a r0=f3 r2=c1 r2=c1 r0=0 r0=0 r0=0 r0=0 r4=10 w6=e3 w1=fc r0=0 r4=10
r1=c r0=0 r2=c1 r0=0 r0=0 r2=c1 r7=4f w2=7 w4=1f w1=20 w0=18 r2=c1 w3=13 w3=3 w0=df w3=13 r3=13 r0=18 r0=df r5=60 w3=3
w2=7 w2=3f r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 w0=c7 w0=7a w0=f0 w0=3 w7=df r0=c7 r0=7a r0=f0 r0=3
r2=c1 r0=0 r2=c1 r2=c1 r1=0 w0=48 w3=3 r0=48 w2=1 r7=df w4=13 w4=10 w6=21 w5=c4 r2=c1 r0=0 r0=0 w4=18 w0=43 r2=c1
r5=61 w0=a w0=90 r5=61 r0=43 r0=a r0=90 r0=0 r2=c1 r0=0 r2=c1 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 w4=10
r3=3 r1=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 w0=9b
r4=10 w1=c2 r2=c2 w2=0 r7=df w4=10 w0=a7 w1=e6 w2=5 r3=3 w2=3 w1=40 w0=79 w1=88 w0=4f w3=3 w3=83 w1=0 r5=61 r0=1 r0=1
r2=c1 r0=1 r2=c1 r0=1 r0=1 r0=1 r0=1 w0=1 r0=1 r6=0 w0=1 w0=c w2=3f r2=c1 r0=c r7=df w3=3 w3=13 w3=83 w3=13 w4=13 w2=1
w0=a0 r0=a0 w6=7c w4=1f r6=f0 w0=a w2=7 w1=5d w6=a7 w4=3 w4=1b r4=1b r2=c1 w1=33 w4=ff w1=f3 w1=bd w1=d2 w3=13 r1=2
w0=3e w3=83 w0=1 r6=f0 w0=1 r6=f0 w2=5 w1=0 r5=61 w3=83 r0=1 r2=c2 r0=1 r2=c1 r0=1 r2=c1 r0=1 r0=1 r0=1 r2=c1 r0=1
r0=1 r0=1 w0=c w4=1f w4=ff w0=1 r6=f0 w2=7 w2=0 r5=60 w0=18 w0=c w0=18 w2=5 r5=60 w7=1d r7=1d r0=18 r0=18 r0=18 r0=18
r0=18 r5=60 r0=18 w1=0 w7=5f w4=b w4=13 r2=c2 r0=18 r0=18 r0=18 r0=18 r0=18 r0=18 r0=18 r2=c1 r0=18 r0=18 r0=18 r0=18
r0=18 r0=18 r0=18 r0=18 r2=c1 w0=1 w0=1 w3=3 w0=3 r5=61 w0=fe w2=0 w0=d6 r2=2 w2=1 w2=1 r0=0 w2=5 w4=1b w1=f8 w4=1f
r6=f0 w2=5 r5=60 w0=6b r5=61 w0=1a w4=18 w0=fc w0=8b w5=b0 r0=6b r0=1a r0=fc r0=8b r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0
r2=c1 r0=0 r2=c1 r2=c1 r0=0 w1=1e w4=10 w1=4b w2=1 r3=3 w2=1 r1=b w7=d7 w4=10 w0=47 w4=10 w3=3 r0=47 w0=dc w1=1b w0=14
w4=3 w1=cf w0=7 w2=1 w0=d3 w1=2a w2=9 w6=7 w0=4 w2=1 r2=c2 w7=6f w7=42 w0=8d w3=3 w0=5f r0=dc r0=14 r0=0 r0=0 r2=c2
r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 w5=28 w0=9f w3=3 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c2 r0=0 r2=c1 r0=0 r2=c1 r0=0
r0=0 r0=0 r0=0 r0=0 r0=0 w0=8f r7=42 w0=7 w4=18 w1=7e w0=c0 w1=77 w4=18 w2=5 r6=80 r0=c0 r1=7 w4=1f r4=1f w2=0 w0=2b
w1=f8 w4=13 w4=13 w0=1d w2=0 w3=3 w1=4 w4=ff w1=b5 w4=13 w0=84 w5=a4 w0=67 r2=6 r5=63 w0=b7 w0=4c r3=3 w0=36 w0=ed
w4=1f w0=f w0=a r2=6 r2=6 w7=f8 w1=6d r5=63 w0=e4 w4=1f r0=e4 w0=5c w0=e r4=1f w0=ea w0=20 w7=cb r0=20 r0=20 r0=20
r0=20 r0=20 r2=6 r0=20 r0=20 r0=20 r2=6 r0=20 r0=20 r0=20 r0=20 r0=20 r2=6 r0=20 r0=20 r0=20 r0=20 r1=d w0=2 r0=2 r0=2
r0=2 r0=2 r0=2 r0=2 r0=2 r0=2 r0=2 r0=2 r0=2 r2=6 r0=2 r7=cb w7=47 w4=1b r0=2 r0=2 r0=2 r0=2 r0=2 r0=2 r0=2 r2=6 r0=2
r2=6 r0=2 r0=2 r2=6 w5=88 w0=7e r5=63 w1=97 w0=55 r0=55 w0=f7 r4=1b r2=6 w1=92 r2=2 r0=f7 r0=f7 r0=f7 r2=1 r0=f7 r0=f7
r2=1 r0=f7 r0=f7 r0=f7 r2=1 r0=f7 r0=f7 r2=1 r4=1b r5=62 w0=d1 r7=47 r1=2 w1=75 w3=3 w1=2c w5=fd w4=1f r7=47 w2=9
w1=67 r4=1f w0=1c w1=b1 w0=fc r6=f0 r2=c4 r0=1c r0=fc r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0
r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r2=c1 r0=0 r2=c1 r0=0 r2=c1 r0=0 r2=c1 w0=f r2=c4 r7=47 w2=0 w1=e3 r0=d1 w3=3 r3=3
w0=8f r0=8f w0=46 w1=74 w7=4b w2=0 w3=3 r0=46 w0=d7 w1=12 w0=1a w4=b w0=ab w3=83 w4=b w4=10 r4=10 r5=63 r6=0 w2=1
w0=18 r5=60 w0=18 w2=9 r6=0 w4=ff w2=1 r7=4b r7=4b r4=1f w4=10 w2=3 r0=18 w0=1 r5=60 w0=1 r7=4b r0=1 r2=c2 r0=1 r0=1
r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 w1=0 w0=18 w0=c w0=c r5=60 r4=10 w1=0 r2=c1 r0=c r0=c
r0=c r0=c r0=c r0=c r0=c r0=c r0=c r2=c1 r2=c1 r0=c w0=1 w1=0 w4=b w3=3 w1=4f w0=b4 r2=c2 w1=8d w4=10 r3=3 r1=d w0=34
r4=10 w1=fe w0=4c w0=8f w5=38 w0=e7 w2=3 w3=3 w0=c4 w2=1 w4=ff w0=99 r5=61 w4=3 w1=76 r5=61 w0=7c r0=c4 r0=99 r0=0
r2=c2 r0=0 r0=0 r0=0 w1=9f w1=df w1=dc w0=b7 r5=60 w0=5 w2=3f r6=b0 w0=cd w2=1 w5=d7 w0=e1 w4=b w2=1 r5=60 w0=26 w4=10
r5=60 w2=3f w5=d7 w2=3f r4=10 r2=c1 w0=1e w2=1 w0=15 w2=1 w4=18 w3=83 r5=61 w0=1 w1=0 w2=9 r4=18 w1=0 w5=49 w1=0 w0=1
r4=18 w4=1b r0=1 r4=1b w0=c w1=0 w4=10 w2=5 r2=c1 w0=1 r0=1 w7=20 w0=c w2=1 r6=0 w1=0 r2=c1 r0=c r0=c r2=c1 r0=c r2=c1
r2=c1 r0=c r0=c r0=c r0=c r0=c r0=c r2=c1 r0=c w2=9 w0=c w5=f8 r2=c1 r1=0 w0=1 r5=61 w0=c r4=10 w5=ab w0=1 r0=1 r0=1
r0=1 r2=c1 r0=1 r0=1 r2=c1 r0=1 r0=1 r2=c1 r0=1 r2=c1 r0=1 r0=1 r3=83 w0=1 r5=61 r6=0 w0=18 r3=83 w1=0 r3=83 w2=3 w1=0
w0=c w1=0 w0=18 r0=18 w2=1 w1=0 r6=0 r7=20 r0=18 w0=1 w2=9 w0=18 w6=22 w1=0 w0=18 w4=13 r5=60 r5=60 r6=30 r6=30 w4=ff
w4=1f r2=c1 r0=18 r0=18 r0=18 r0=18 r0=18 w2=9 r2=c1 w0=18 r5=60 r7=20 w3=0 w2=7 r1=c w0=9b r0=9b w1=5b w1=74 w1=82
r0=0 r2=c2 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r2=c1 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 w4=18 w1=b2 r0=0
r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0
r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r2=c1 r0=0 w4=3 w4=1b
w2=1 w0=69 r5=61 w0=38 w3=13 r0=69 r0=38 r0=0 r2=c2 r2=c1 r2=c1 r2=c1 w4=1b w3=3 r2=c1 w1=37 w2=7 w0=a4 r0=a4 w2=3
w2=1 r0=0 r6=b0 w4=18 w0=56 r5=61 w3=3 w0=b6 w0=bc r5=61 w4=18 r0=56 r6=80 r0=b6 r0=bc r2=c2 r0=0 r0=0 r2=c1 r0=0 r3=3
w2=7 r0=0 w7=f5 r5=60 r7=f5 w7=d9 r0=0 w2=3f w3=3 r0=0 w2=1 r0=0 r2=c2 r0=0 r0=0 r0=0 r0=0 w1=eb w0=4f r0=4f r2=c2
r0=0 w1=98 w1=d7 r0=0 r2=c2 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r2=c1 w1=39
r5=60 w2=9 w1=80 w3=3 w1=73 w1=39 w3=83 w1=0 w7=25 w4=1f w7=3a w2=3f r6=f0 w1=0 r0=18 r0=18 r2=c1 r0=18 r2=c1 r0=18
r0=18 r7=3a r0=18 r0=18 r0=18 r0=18 r0=18 r0=18 r0=18 r0=18 r0=18 r2=c1 r0=18 r0=18 r0=18 r0=18 r0=18 r5=60 w1=0 w1=0
w0=c r7=3a w0=c w1=0 w4=1b r2=c1 r2=c1 w2=1 w4=ff r0=c w0=1 w4=1f r5=60 w5=c2 w4=18 w1=0 w2=3 r2=c1 r2=c1 w0=c w5=12
r7=3a w4=3 w4=1f w2=0 w0=18 w1=0 w0=18 r1=0 w1=0 r1=0 w4=ff w0=c w0=c w0=c w1=0 w0=1 r7=3a r1=0 w3=3 r5=60 r5=60 w0=47
r2=4 r4=1f r0=47 r0=47 r0=47 r0=47 w0=90 w4=13 w5=48 w2=3 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0
w0=7c w4=b r2=c4 r3=3 w0=ca w1=9a r2=c2 r0=7c r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0
r0=0 r2=c1 r0=0 w6=8d w6=b w4=18 r0=0 r6=80 w0=90 w7=32 r0=90 r2=c2 r0=0 w5=ae w3=3 r4=18 w2=1 w2=1 r5=60 w7=d w2=7
w1=ac r6=80 w4=1b w2=5 w4=3 r3=3 w5=d r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0
r2=c1 r0=0 r0=0 r0=0 w1=f4 w4=18 w2=3f r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0
r4=18 w1=5d r7=d w0=4c r0=4c r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r2=c1 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0
r0=0 r2=c1 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 w5=ff r7=d w4=ff w7=88 r0=0 r0=0 r0=0 r0=0 r0=0 r7=88 w1=e7 r0=0 w5=6b
w7=b8 r3=3 r1=7 r2=c2 r0=0 w4=1f r2=c1 w0=b4 r1=7 w0=cb r5=61 w2=7 w5=10 w1=67 w4=10 r4=10 w1=dc w2=1 r5=60 r0=0 r3=3
r0=0 r2=c1 r0=0 r2=c1 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0
r2=c1 r0=0 r0=0 w1=a9 w2=3 w0=a2 w1=c4 r0=a2 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r7=b8 w4=10
w0=a6 w2=0 w1=a1 w0=0 w0=f0 w1=c2 r6=0 w0=20 w0=88 w1=a4 r4=10 w2=3 r3=3 w7=b2 w1=f4 w1=48 r4=10 w0=68 w1=bb r1=b r3=3
r0=68 w0=b9 w4=3 r1=b w3=13 r5=63 w2=3f w1=e7 w2=3 w0=e4 w2=0 w2=1 w4=1f r1=7 w0=79 w2=3f w0=c3 r4=1f r7=b2 r7=b2
r4=1f r5=61 r5=61 w4=1b w1=fc w7=67 r5=61 w1=be r0=c3 r2=c2 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0
r0=0 r2=c1 r0=0 r3=13 w0=d4 w0=d r7=67 w0=ec w3=13 w0=f2 r0=d4 w0=fb r0=d w2=9 w0=14 r0=ec r0=f2 r0=fb r2=c2 r0=14
r2=c1 r0=0 r2=c1 r2=c1 r0=0 w1=1c w4=13 w3=13 w7=d5 w4=1f r2=c1 w4=1f w0=61 w1=3 r4=1f r5=61 r6=f0 r5=61 w1=d7 w2=3
w0=c2 w4=10 r2=c4 r2=c4 w1=bf r0=c2 r2=c2 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c1 r2=c1 r0=0 r0=0 r2=c1 r0=0 r0=0 r0=0
r7=d5 w1=cf r0=0 r0=0 r2=c1 r0=0 r2=c1 r2=c1 r0=0 r0=0 r0=0 r2=c1 r0=0 r0=0 r2=c1 r0=0 r0=0 w3=3 w1=51 r2=c1 w1=ee
r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r2=c2 r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 w3=3 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0
r2=c1 r0=0 r0=0 r0=0 r1=e w3=13 w0=cd r5=61 r2=c2 r2=c1 r2=c1 r0=cd r2=c1 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0 r0=0
r0=0 r0=0 r0=0 r0=0 r0=0 r7=d5 w1=0 w0=4d w2=1 r5=61 w0=7e w0=ba r5=61 w4=10 w0=39 w4=3 w0=11 r7=d5 r1=0 w0=b4 r1=0
w0=2e w0=f5 w0=85 r2=c1 r3=13 r4=3 r3=13 r7=d5 w1=83 w0=65 r4=3 r1=3 r0=4d r0=7e r2=c4 r0=ba r0=39 r0=0 r0=0 r0=0 r0=0
r0=0 r2=c2 r0=0 r2=c1 r0=0 r0=0 r0=0 r0=0 r2=c1 w1=77 r4=3 w3=3 w4=1b w1=32 r7=d5 w4=1f w4=b r3=3 w1=5d r6=b0 w4=10
r2=c1 r4=10 w2=1 w4=1f r2=c1 w2=1 r2=c1 w4=ff r4=1f w4=1b w4=1b r0=0 w4=3 r5=60 w1=fc w2=0 r5=60 r0=88 r0=88 r0=88
r0=88 r0=88 r0=88 r0=88 r0=88 r0=88 r0=88 r0=88 r2=1 r0=88 r0=88 r0=88 w4=13 r7=d5 w0=79 w5=19 w0=ca w4=b w4=3 r0=ca
r0=ca r0=ca r0=ca r0=ca r0=ca r2=6 r0=ca r0=ca w5=f3 w0=99 w0=ab w1=2a w0=ee w1=95 w0=8a r3=3 w0=7b r0=ca w0=5e w0=aa
r2=6 r0=ca r0=ca r0=ca r0=ca r0=ca r0=ca r0=ca r0=ca r0=ca r0=ca r0=ca w0=4 r1=5 r2=6 w0=80 w3=0 r4=3 w3=83 w2=1 r0=1
r2=c6 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 r0=1 w1=0 w2=0 w0=18 r0=18 r0=18 r6=b0
`;
