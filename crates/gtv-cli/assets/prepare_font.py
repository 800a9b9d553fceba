"""Prepare a plot font: subset, quadratic outlines, rename (the original name is reserved), fit to plotters' text metrics.

    prepare_font.py SourceSans3-Regular.ttf GtvPlot-Regular.ttf 'Gtv Plot' Regular 0.13
    prepare_font.py LinLibertine_R.otf GtvSerif-Regular.ttf 'Gtv Serif' Regular 0.125

The last number is how far glyphs stand below their line, in em.
"""
import sys
from fontTools.ttLib import TTFont
from fontTools import subset
from fontTools.ttLib import newTable
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.pens.transformPen import TransformPen
src,dst,family,style,lower=sys.argv[1:]
o=subset.Options(); o.layout_features=[]; o.hinting=False; o.name_IDs=['*']; o.notdef_outline=True; o.drop_tables+=['GDEF','GPOS','GSUB','STAT','DSIG','meta']
f=TTFont(src)
chars=list(range(0x20,0x7f))+list(range(0xa0,0x180))+list(range(0x391,0x3d7))+list(range(0x2010,0x2027))+[0x2032,0x2070,0x2071]+list(range(0x2074,0x208f))+list(range(0x2190,0x2196))+[0x2202,0x2206,0x220f,0x2211,0x2212,0x2215,0x221a,0x221e,0x222b,0x2248,0x2260,0x2264,0x2265,0x27e8,0x27e9,0x2016,0x2020,0x0302,0x0303,0x0304,0x25cf,0x25cb,0x25a0,0x25b2]
s=subset.Subsetter(o); s.populate(unicodes=chars); s.subset(f)
upm=f['head'].unitsPerEm
shift=round(float(lower)*upm)
gs=f.getGlyphSet(); new={}
for name in f.getGlyphOrder():
    rec=DecomposingRecordingPen(gs); gs[name].draw(rec)
    pen=TTGlyphPen(None); quadratic=Cu2QuPen(pen,upm/1000,reverse_direction='CFF ' in f); rec.replay(TransformPen(quadratic,(1,0,0,1,0,-shift))); new[name]=pen.glyph()
if 'CFF ' in f:
    order=f.getGlyphOrder(); del f['CFF ']; f['loca']=newTable('loca'); f['glyf']=newTable('glyf'); f['glyf'].glyphs={}; f['glyf'].glyphOrder=order
    f['maxp'].tableVersion=0x00010000
    for k in 'maxZones maxTwilightPoints maxStorage maxFunctionDefs maxInstructionDefs maxStackElements maxSizeOfInstructions maxComponentElements maxPoints maxContours maxCompositePoints maxCompositeContours maxComponentDepth'.split(): setattr(f['maxp'],k,0)
    f['maxp'].maxZones=1; f.sfntVersion='\x00\x01\x00\x00'; f['post'].formatType=3.0
    if 'VORG' in f: del f['VORG']
for n,g in new.items(): f['glyf'][n]=g
asc=round(0.984*upm); desc=-round(1.24*upm-asc)
f['hhea'].ascent,f['hhea'].descent,f['hhea'].lineGap=asc,desc,0
f['OS/2'].sTypoAscender,f['OS/2'].sTypoDescender,f['OS/2'].sTypoLineGap=asc,desc,0
for r in list(f['name'].names):
    if r.nameID in (1,3,4,6,16,17,21,22,25): f['name'].removeNames(nameID=r.nameID)
for nid,v in ((1,family),(3,family+' '+style),(4,family+' '+style),(6,family.replace(' ','')+'-'+style)):
    f['name'].setName(v,nid,3,1,0x409)
f.save(dst)
